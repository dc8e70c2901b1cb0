#!/usr/bin/env python3
"""Writes two exports that differ in a few rows, a job and a list of candidates, to measure a sign-off.

    python3 benches/signoff.py DIR ROWS
    cd DIR && countersign signoff job.toml --candidates ids.csv --out out --memory 1GiB

Needs pyarrow. The rows are the same each time; the job's times are those of the moment.
"""

import datetime
import pathlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS_AT_ONCE = 1_000_000


def main(place: pathlib.Path, rows: int) -> None:
    place.mkdir(parents=True, exist_ok=True)
    schema = pa.schema([("id", pa.int64()), ("account", pa.int64()), ("amount", pa.float64()),
                        ("note", pa.string()), ("updated_at", pa.timestamp("us", tz="UTC"))])
    written = int(datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc).timestamp()) * 1_000_000
    old = pq.ParquetWriter(place / "old.parquet", schema, compression="zstd")
    new = pq.ParquetWriter(place / "new.parquet", schema, compression="zstd")
    for start in range(0, rows, ROWS_AT_ONCE):
        ids = np.arange(start, min(start + ROWS_AT_ONCE, rows), dtype=np.int64)
        amounts = pa.array((ids * 7919 % 1_000_000) / 100)
        notes = pa.array(np.char.add("note ", (ids * 31 % 100_003).astype(str)))
        times = pa.array(written + ids * 1_000).cast(pa.timestamp("us", tz="UTC"))
        table = pa.table([pa.array(ids), pa.array(ids % 1_000), amounts, notes, times], schema=schema)
        old.write_table(table)
        # one in 10,000 differs
        changed = pa.array(np.where(ids % 10_000 == 5, "changed", notes.to_numpy(zero_copy_only=False)).astype(str))
        new.write_table(table.set_column(3, "note", changed))
    old.close()
    new.close()
    with open(place / "ids.csv", "w") as ids:
        ids.write("id\n")
        ids.writelines(f"{number}\n" for number in range(rows))
    taken = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) - datetime.timedelta(hours=1)
    sides = "".join(f'[{side}]\npath = "{side}.parquet"\ntaken_at = {taken.isoformat()}\n' for side in ("old", "new"))
    (place / "job.toml").write_text(
        sides + '[compare]\nkey = "id"\n[in_flight]\ncolumn = "updated_at"\n[signoff]\ndelete_from = "old"\n')


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
