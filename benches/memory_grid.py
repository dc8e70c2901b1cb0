"""Runs countersign under every number of threads with every memory limit, and checks that no limit is broken and that no
work is refused once it has begun.

    .ci/memory-grid [--rows N] [--only CASE] [--threads N]... [--memory MIB]... [--record FILE]

Two snapshots of four million rows and three columns, in no order and different in every row, so that all of them are
sorted on both sides: as they are, and through a query that sorts them, or groups them, too; and their IDs, cut into waves. Each cell is exit code, seconds, and the most
memory that the process ever held, in MiB. A run has to count what was planted, or to be refused before it begins with the
limit that it needs; it is then run again with that. From 384 MiB on, nothing may be refused.
"""

import argparse
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq

PLACE = pathlib.Path(os.environ.get("BENCH_DIR", pathlib.Path.home() / ".cache/countersign-bench")) / "grid"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", pathlib.Path.home() / ".cache/countersign-target")) / "release"
THREADS = [1, 2, 7, 16, 32]
MEMORY = [256, 384, 512, 768, 1024, 2048, 4096, 6144, 8192, 12288]
NEVER_REFUSED = 384

JOB = """
[job]
name = "grid"

[old]
path = "old"
{query}
[new]
path = "new"
{query}
[compare]
key = ["id"]
"""


def make(place, rows):
    seed = random.Random(14)
    for side, change in ("old", 0), ("new", 1):
        ids = list(range(rows))
        seed.shuffle(ids)
        table = pa.table({"id": pa.array(ids, pa.int64()), "amount": pa.array((i * 37 + change for i in ids), pa.int64()),
                          "note": pa.array(f"note {change} {i}" for i in ids)})
        (place / side).mkdir(parents=True)
        if side == "old":
            listed = table.select(["id", "note"]).append_column("team", pa.array((str(i % 300_000) for i in ids)))
            pq.write_table(listed.set_column(0, "id", pa.array(str(i) for i in ids)), place / "ids.parquet")
        pq.write_table(table, place / side / "1.parquet", row_group_size=max(rows // 40, 1))


def diff(place, limits):
    return ["diff", "old", "new", "--key", "id", "--strategy", "hashed", *limits]


def query(place, limits):
    sorts = 'query = "SELECT id, amount, note FROM snapshot ORDER BY note DESC, id"\n'
    (place / "query.toml").write_text(JOB.format(query=sorts))
    return ["run", "query.toml", *limits]


def groups(place, limits):
    sums = 'query = "SELECT id, sum(amount) AS amount, max(note) AS note FROM snapshot GROUP BY id ORDER BY note DESC"\n'
    (place / "groups.toml").write_text(JOB.format(query=sums))
    return ["run", "groups.toml", *limits]


def waves(place, limits):
    shutil.rmtree(place / "waves", ignore_errors=True)
    limits = [word for word in limits if word not in ("--format", "json")]
    return ["waves", "ids.parquet", "--out", "waves", "--group-by", "team", "--order", "note", "--shards", "3", *limits]


CASES = {"diff": diff, "query": query, "groups": groups, "waves": waves}


def run(binary, place, command):
    with open(place / "said", "wb") as said, open(place / "told", "wb") as told:
        began = time.monotonic()
        child = subprocess.Popen([binary, *command], cwd=place, stdout=told, stderr=said)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    left = [name for name in os.listdir(place) if name.startswith(".countersign-")]
    assert not left, f"left behind: {left}"
    return child.returncode, seconds, usage.ru_maxrss // 1024, (place / "said").read_text(), (place / "told").read_text()


def cell(binary, place, case, threads, memory, rows):
    """The text of a cell, and what is wrong with it."""
    text, wrong = "", []
    while True:
        limits = ["--threads", str(threads), "--memory", f"{memory}MiB", "--temp", ".", "--quiet", "--format", "json"]
        code, seconds, peak, said, told = run(binary, place, CASES[case](place, limits))
        text += f"{code}, {seconds:.1f} s, {peak}"
        wrong += [f"{peak} MiB held"] if peak > memory else []
        needed = re.search(r"needs about (\d+) MiB", said)
        if code == 2 and needed and seconds < 5:
            wrong += ["refused"] if memory >= NEVER_REFUSED else []
            memory = int(needed[1])
            text += f"; with {memory}: "
            continue
        if code != (0 if case == "waves" else 1):
            return text, wrong + [said.strip().replace("\n", " ")[:300]]
        if case == "waves":
            totals = json.loads((place / "waves/waves.json").read_text())["totals"]
            return text, wrong + ([] if totals["ids"] == rows else [f"totals {totals}"])
        counts = json.loads(told)["counts"]
        return text, wrong + ([] if counts["mismatch"] == rows else [f"counts {counts}"])


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--rows", type=int, default=4_000_000)
    asked.add_argument("--only", action="append", choices=CASES)
    asked.add_argument("--threads", type=int, action="append")
    asked.add_argument("--memory", type=int, action="append")
    asked.add_argument("--binary", default=TARGET / "countersign")
    asked.add_argument("--record", type=lambda path: pathlib.Path(os.environ.get("ASKED_FROM", "."), path), help="where the tables go")
    asked = asked.parse_args()
    place = PLACE / str(asked.rows)
    if not (place / "made").exists():
        shutil.rmtree(place, ignore_errors=True)
        make(place, asked.rows)
        (place / "made").touch()
    threads, failures, lines = asked.threads or THREADS, [], []
    for case in asked.only or CASES:
        lines += [f"\n{case}\n", "| memory | " + " | ".join(f"{n} threads" for n in threads) + " |", "| --- " * (len(threads) + 1) + "|"]
        print("\n".join(lines[-3:]), flush=True)
        for memory in asked.memory or MEMORY:
            cells = []
            for count in threads:
                text, wrong = cell(asked.binary, place, case, count, memory, asked.rows)
                failures += [f"{case}, {count} threads, {memory} MiB: {w}" for w in wrong]
                cells.append(text + (" **!**" if wrong else ""))
            lines.append(f"| {memory} MiB | " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    if asked.record:
        asked.record.write_text("\n".join(lines) + "\n")
    print("\n".join(["", *failures]) if failures else "\nno limit was broken, and nothing was refused in the middle")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
