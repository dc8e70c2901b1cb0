#!/usr/bin/env python3
"""Compares countersign with a full join in DuckDB on a few million rows from two different writers.

    pip install duckdb pyarrow
    python3 benches/against_duckdb.py target/release/countersign [DIR] [ROWS]

Old is written by DuckDB in key order; new is written by pyarrow, shuffled, in other types, with seeded
defects of every class. The counts and the mismatches of every column have to agree with DuckDB's, both
ways of matching have to agree with each other, and the exit codes have to be right. Prints the times.
"""

import json
import pathlib
import subprocess
import sys
import time

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

VALUES = ["customer", "amount", "ratio", "status", "note", "created_at", "paid"]


def write(place: pathlib.Path, rows: int) -> None:
    """Writes both sides, the same for the same number of rows."""
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    db.execute(f"""
        CREATE TABLE old AS SELECT
            i::BIGINT AS id,
            (hash(i) % 1000000)::INTEGER AS customer,
            ((hash(i + 1) % 10000000) / 100.0)::DECIMAL(12, 2) AS amount,
            CASE WHEN i % 50 = 0 THEN 'NaN'::DOUBLE ELSE (hash(i + 2) % 4096) / 64.0 END AS ratio,
            ['active', 'paused', 'canceled'][(1 + hash(i + 3) % 3)::BIGINT] AS status,
            CASE WHEN i % 7 = 0 THEN NULL ELSE 'note ' || hash(i + 4) END AS note,
            (TIMESTAMP '2026-01-01' + INTERVAL (hash(i + 5) % 10000000) SECOND)::TIMESTAMPTZ AS created_at,
            i % 3 = 0 AS paid
        FROM range({rows}) AS t(i) WHERE i % 50021 <> 7""")
    db.execute(f"COPY old TO '{place}/old.parquet' (FORMAT parquet, COMPRESSION zstd)")
    new = db.execute(f"""
        SELECT id::INTEGER AS id, customer::BIGINT AS customer,
            (amount + CASE WHEN id % 1009 = 3 THEN 0.01 ELSE 0 END)::DECIMAL(18, 2) AS amount,
            CASE WHEN id % 2003 = 4 THEN ratio + 1 ELSE ratio END AS ratio,
            CASE WHEN id % 3001 = 5 THEN 'Active' ELSE status END AS status,
            CASE WHEN id % 4001 = 6 THEN coalesce(note, '') || ' ' ELSE note END AS note,
            created_at + INTERVAL (CASE WHEN id % 5003 = 8 THEN 1 ELSE 0 END) MILLISECOND AS created_at,
            CASE WHEN id % 6007 = 9 THEN NULL ELSE paid END AS paid
        FROM (
            SELECT * FROM old WHERE id % 10007 <> 1
            UNION ALL SELECT * FROM old WHERE id % 100003 = 2
            UNION ALL SELECT * REPLACE (id + {rows} AS id) FROM old WHERE id % 20011 = 5
        ) ORDER BY hash(id, amount)""").to_arrow_table()
    new = new.set_column(4, "status", new["status"].dictionary_encode())
    new = new.set_column(6, "created_at", new["created_at"].cast(pa.timestamp("ns", "Asia/Tokyo")))
    pq.write_table(new, place / "new.parquet", row_group_size=300_000, version="2.6")


def ask_duckdb(place: pathlib.Path) -> tuple[dict, dict]:
    """The same question as a full join."""
    db = duckdb.connect()
    sides = {}
    for side in ["old", "new"]:
        sides[side] = f"(SELECT *, count(*) OVER (PARTITION BY id) AS copies FROM '{place}/{side}.parquet')"
    differ = {column: f"o.{column} IS DISTINCT FROM n.{column}" for column in VALUES}
    differ["ratio"] = "o.ratio IS DISTINCT FROM n.ratio"
    by_column = ", ".join(f"count(*) FILTER (WHERE paired AND {test}) AS {column}" for column, test in differ.items())
    row = db.execute(f"""
        WITH joined AS (
            SELECT o, n, o.copies = 1 AND n.copies = 1 AS paired,
                coalesce(o.copies, 0) > 1 OR coalesce(n.copies, 0) > 1 AS duplicate, coalesce(o.id, n.id) AS id
            FROM {sides['old']} o FULL JOIN {sides['new']} n ON o.id = n.id)
        SELECT count(*) FILTER (WHERE paired AND NOT ({' OR '.join(differ.values())})) AS matched,
            count(*) FILTER (WHERE paired AND ({' OR '.join(differ.values())})) AS mismatch,
            count(*) FILTER (WHERE n.id IS NULL AND NOT duplicate) AS missing,
            count(*) FILTER (WHERE o.id IS NULL AND NOT duplicate) AS extra,
            count(DISTINCT id) FILTER (WHERE duplicate) AS duplicate_keys, {by_column}
        FROM joined""").fetchone()
    counts = dict(zip(["matched", "mismatch", "missing", "extra", "duplicate_keys"], row[:5]))
    return counts, dict(zip(VALUES, row[5:]))


def ask(binary: str, old: pathlib.Path, new: pathlib.Path, *more: str) -> tuple[dict, int, float]:
    began = time.time()
    command = [binary, "diff", str(old), str(new), "--key", "id", "--format", "json", "--quiet", *more]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout), done.returncode, time.time() - began


def main() -> None:
    binary = sys.argv[1]
    place = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "/tmp/countersign-large")
    rows = int(sys.argv[3]) if len(sys.argv) > 3 else 5_000_000
    place.mkdir(parents=True, exist_ok=True)
    write(place, rows)
    old, new = place / "old.parquet", place / "new.parquet"

    began = time.time()
    counts, columns = ask_duckdb(place)
    print(f"duckdb     {time.time() - began:5.1f} s  {counts}  {columns}")
    reports = {}
    for way in ["planned", "ordered", "hashed"]:
        report, code, seconds = ask(binary, old, new, *([] if way == "planned" else ["--strategy", way]))
        reports[way] = {name: value for name, value in report.items() if name != "run"}
        print(f"{way:10} {seconds:5.1f} s  {report['counts']}  exit {code}; {report['run']['way_reason']}")
        assert code == 1
        assert report["counts"] == counts, "the counts differ from DuckDB's"
        found = {column["name"]: column["mismatches"] for column in report["columns"] if column["name"] in VALUES}
        assert found == columns, f"the columns differ from DuckDB's: {found}"
    assert reports["planned"] == reports["ordered"] == reports["hashed"]
    for side in [old, new]:
        itself, code, seconds = ask(binary, side, side)
        print(f"{side.name} against itself {seconds:.1f} s, exit {code}, {itself['counts']}; {itself['run']['way_reason']}")
        assert code == (0 if itself["counts"]["duplicate_keys"] == 0 else 1)
    print("all agree")


if __name__ == "__main__":
    main()
