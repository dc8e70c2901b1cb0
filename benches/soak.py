"""Runs countersign on data that is made to burst a memory limit, and checks that it never does.

    .ci/soak [--smoke] [--only CASE] [--record FILE]

Each case is compared within its limit, in a control group that ends whatever exceeds it, where this user may make
one. A run has to count what was planted, or to be refused (exit code 2) with the limit that it would need; it is
then run again with that. --smoke takes thousandths of the rows.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

PLACE = pathlib.Path(os.environ.get("BENCH_DIR", pathlib.Path.home() / ".cache/countersign-bench")) / "soak"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", pathlib.Path.home() / ".cache/countersign-target")) / "release"
MIB = 1 << 20
GROUPS = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")]


def copy(db, select, target, more=""):
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    db.execute(f"COPY ({select}) TO '{partial}' (FORMAT parquet, COMPRESSION zstd {more})")
    partial.rename(target)


def sql(old, new, more=""):
    def make(place, _):
        db = duckdb.connect()
        db.execute("SET memory_limit = '8GB'")
        db.execute(f"SET temp_directory = '{place / 'duckdb'}'")
        copy(db, old, place / "old/1.parquet", more)
        copy(db, new, place / "new/1.parquet", more)
        shutil.rmtree(place / "duckdb", ignore_errors=True)

    return make


def large_cells(place, rows):
    for side, first in ("old", "a"), ("new", "b"):
        (place / side).mkdir(parents=True)
        schema = pa.schema([("id", pa.int64()), ("text", pa.large_string())])
        with pq.ParquetWriter(place / side / "1.parquet", schema, compression="zstd") as writer:
            for row in range(rows):
                text = f"{first}{row}" + os.urandom(1 << 16).hex() * 400
                writer.write_table(pa.table([[row], [text]], schema=schema))


def many_columns(place, rows):
    numbers = ", ".join(f"(hash(i, {n}) % 1000000)::BIGINT AS column_{n}" for n in range(2_000))
    changed = "SELECT * REPLACE (column_7 + (id % 1000 = 3)::BIGINT AS column_7)"
    sql(f"SELECT i AS id, {numbers} FROM range({rows}) AS r(i)", f"{changed} FROM '{place}/old/1.parquet'")(place, rows)


def tiny_files(place, files):
    for side in "old", "new":
        (place / side).mkdir(parents=True)
        for file in range(files):
            ids = list(range(file * 10, file * 10 + 10))
            pq.write_table(pa.table({"id": ids, "value": [str(n) for n in ids]}), place / side / f"{file:05}.parquet")


def cases(scale):
    """Each: rows, a function that makes the data, limit in MiB, what the run is told, what it has to count."""
    n = lambda rows: max(rows // scale, 10)
    rows, few = n(100_000_000), n(10_000_000)
    scattered = f"(i * 7368787) % {rows}"
    return {
        "unsorted-narrow": (rows, sql(f"SELECT {scattered} AS id, i AS value FROM range({rows}) AS r(i)",
                                      f"SELECT i AS id, i AS value FROM range({rows - 1}, -1, -1) AS r(i)"),
                            512, ["--strategy", "hashed"], lambda c: c["matched"] + c["mismatch"] == rows),
        "all-different": (few, sql(f"SELECT (i * 7368787) % {few} AS id, hash(i) AS value FROM range({few}) AS r(i)",
                                   f"SELECT i AS id, hash(i, 1) AS value FROM range({few - 1}, -1, -1) AS r(i)"),
                          512, ["--out", "run"], lambda c: c["mismatch"] == few),
        "one-key": (few, sql(f"SELECT 7 AS id, i AS value FROM range({few}) AS r(i)",
                             f"SELECT 7 AS id, i + 1 AS value FROM range({few}) AS r(i)"),
                    256, ["--strategy", "hashed", "--out", "run"], lambda c: c["duplicate_keys"] == 1),
        "few-keys-of-many": (few, sql(f"SELECT i % 3 AS id, i AS value FROM range({few}) AS r(i)",
                                      f"SELECT i AS id, i AS value FROM range({few}) AS r(i)"),
                             256, ["--strategy", "hashed", "--out", "run"], lambda c: c["extra"] == few - 3),
        "large-cells": (40, large_cells, 512, ["--out", "run"], lambda c: c["mismatch"] == 40),
        "many-columns": (n(50_000), many_columns, 512, ["--out", "run"], lambda c: c["mismatch"] == (n(50_000) + 996) // 1000),
        "large-row-groups": (few, sql(f"SELECT i AS id, 'text ' || hash(i) AS text FROM range({few}) AS r(i)",
                                      f"SELECT i AS id, 'text ' || hash(i, i % 7 = 0) AS text FROM range({few}) AS r(i)",
                                      f", ROW_GROUP_SIZE {few}"),
                             512, ["--out", "run"], lambda c: c["matched"] + c["mismatch"] == few),
        "tiny-files": (n(10_000), tiny_files, 512, [], lambda c: c["matched"] == n(10_000) * 10),
        "tiny-files-hashed": (n(10_000), tiny_files, 512, ["--strategy", "hashed"], lambda c: c["matched"] == n(10_000) * 10),
    }


def group(limit):
    """A control group with this limit, and what enters it; nothing where this user may not make one."""
    for top, file in GROUPS:
        place = pathlib.Path(top) / "countersign-soak"
        try:
            place.mkdir(exist_ok=True)
            (place / file).write_text(str(limit))
            return lambda: (place / "cgroup.procs").write_text(str(os.getpid()))
        except OSError:
            continue
    return None


def run(place, limit, told):
    shutil.rmtree(place / "run", ignore_errors=True)
    command = [TARGET / "countersign", "diff", "old", "new", "--key", "id", "--quiet", "--format", "json",
               "--temp", ".", "--memory", f"{limit}MiB", *told]
    enter = group(limit * MIB)
    began = time.monotonic()
    ended = subprocess.run(command, cwd=place, capture_output=True, text=True, preexec_fn=enter)
    seconds = time.monotonic() - began
    left = [name for name in os.listdir(place) if name.startswith(".countersign-")]
    assert not left, f"left behind: {left}"
    return ended, seconds, enter is not None


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--smoke", action="store_true")
    asked.add_argument("--only", action="append")
    asked.add_argument("--record", type=lambda path: pathlib.Path(os.environ.get("ASKED_FROM", "."), path), help="where the table goes")
    asked = asked.parse_args()
    lines = ["| case | rows a side | limit | held at most | seconds | spilled | |", "| --- | --- | --- | --- | --- | --- | --- |"]
    print("\n".join(lines), flush=True)
    failed = False
    for name, (rows, make, limit, told, holds) in cases(1_000 if asked.smoke else 1).items():
        if asked.only and name not in asked.only:
            continue
        place = PLACE / ("smoke" if asked.smoke else "full") / name.removesuffix("-hashed")
        if not (place / "made").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            make(place, rows)
            (place / "made").touch()
        ended, seconds, grouped = run(place, limit, told)
        note = ""
        if ended.returncode == 2 and (needed := re.search(r"needs about (\d+) MiB", ended.stderr)):
            note, limit = f"refused with {limit} MiB, and run with what it named", int(needed[1])
            ended, seconds, grouped = run(place, limit, told)
        if ended.returncode not in (0, 1):
            failed, line = True, f"| {name} | {rows:,} | {limit} MiB | | {seconds:.1f} | | **failed, {ended.returncode}: {ended.stderr.strip()[:200]}** |"
        else:
            report = json.loads(ended.stdout)
            peak, spilled = report["run"]["peak_memory_bytes"], report["run"]["spilled_bytes"]
            wrong = [] if holds(report["counts"]) else [f"counts {report['counts']}"]
            wrong += [] if peak <= limit * MIB else ["over the limit"]
            failed |= bool(wrong)
            note = "; ".join([note] * bool(note) + ([f"**{w}**" for w in wrong] or ["in a control group" if grouped else "no control group"]))
            line = f"| {name} | {rows:,} | {limit} MiB | {peak // MIB} MiB | {seconds:.1f} | {spilled // MIB:,} MiB | {note} |"
        lines.append(line)
        print(line, flush=True)
    if asked.record:
        asked.record.write_text("\n".join(lines) + "\n")
    sys.exit(failed)


if __name__ == "__main__":
    main()
