"""Makes the snapshots that are compared: TPC-H lineitem, a wide table, a narrow one.

Old is written by tpchgen (lineitem) or DuckDB in key order; new always by DuckDB. What differs is chosen by a
hash of the key, so that every run of this makes the same data.
"""

import pathlib
import shutil
import subprocess
import sys

import duckdb
import pyarrow.parquet as parquet

LINEITEM_KEY = ["l_orderkey", "l_linenumber"]
LINEITEM_HASH = "hash(l_orderkey * 8 + l_linenumber)"
# columns and rows
WIDE_RARE = [(5_000, 2_000), (200, 5_000_000)]
ROWS = {"wide": 1_000_000, "narrow": 10_000_000, "tiny": 10}


def lineitem(place: pathlib.Path, scale: float) -> pathlib.Path:
    """Old's lineitem at a scale factor; 6 million rows at 1."""
    target = place / f"lineitem-{scale:g}"
    file = target / "lineitem.parquet"
    if not file.exists():
        tpchgen = pathlib.Path(sys.executable).parent / "tpchgen-cli"
        command = [tpchgen, "parquet", "--scale-factor", f"{scale:g}", "--tables", "lineitem", "--output-dir", target]
        subprocess.run([*command, "--compression", "ZSTD(1)", "--row-group-bytes", "32MB"], check=True, capture_output=True)
    return file


def changed_lineitem(old: pathlib.Path, permille: int, missing: bool = False, shuffled: bool = False) -> pathlib.Path:
    """New's lineitem: so many of a thousand rows with one column changed, or one of twenty rows missing."""
    name = f"new-{permille}{'-missing' if missing else ''}{'-shuffled' if shuffled else ''}.parquet"
    bucket = f"{LINEITEM_HASH} % 3000"
    few = permille  # of three changes, each takes a third of the rows
    select = f"""SELECT * REPLACE (
        (l_extendedprice + CASE WHEN {bucket} < {few} THEN 0.01 ELSE 0 END)::DECIMAL(15, 2) AS l_extendedprice,
        CASE WHEN {bucket} BETWEEN {few} AND {2 * few - 1} THEN l_comment || ' ' ELSE l_comment END AS l_comment,
        CASE WHEN {bucket} BETWEEN {2 * few} AND {3 * few - 1} THEN 'X' ELSE l_returnflag END AS l_returnflag)
        FROM '{old}' {f"WHERE {LINEITEM_HASH} % 20 <> 7" if missing else ""}"""
    return copy(select, old.parent / name, f"hash({LINEITEM_HASH})" if shuffled else None)


def regrouped(file: pathlib.Path, groups: int) -> pathlib.Path:
    """The same rows in so many row groups."""
    rows = duckdb.connect().execute(f"SELECT count(*) FROM '{file}'").fetchone()[0]
    target = file.with_name(f"{file.stem}-{groups}-groups.parquet")
    return copy(f"FROM '{file}'", target, group_rows=-(-rows // groups))


def paged(file: pathlib.Path) -> pathlib.Path:
    """The same rows in one row group with a page index, which DuckDB does not write."""
    target = file.with_name(f"{file.stem}-paged.parquet")
    if not target.exists():
        rows = parquet.read_table(file)
        partial = target.with_suffix(".partial")
        parquet.write_table(rows, partial, row_group_size=rows.num_rows, compression="zstd", write_page_index=True)
        partial.rename(target)
    return target


def rare_lineitem(old: pathlib.Path) -> pathlib.Path:
    """New's lineitem, shuffled: one row in 300,000 changed."""
    changed = f"CASE WHEN {LINEITEM_HASH} % 300000 = 0 THEN 'X' ELSE l_returnflag END AS l_returnflag"
    return copy(f"SELECT * REPLACE ({changed}) FROM '{old}'", old.parent / "new-rare.parquet", f"hash({LINEITEM_HASH})")


def padded_lineitem(old: pathlib.Path, name: str, shuffled: bool = False) -> pathlib.Path:
    """Lineitem with two columns as CHAR(n) pads them, and upper case in a third (of `both`)."""
    pad = ["rpad(l_shipinstruct, 26, ' ') AS l_shipinstruct", "rpad(l_shipmode, 12, ' ') AS l_shipmode"]
    if name == "both":
        pad.append("upper(l_comment) AS l_comment")
    target = old.parent / f"padded-{name}{'-shuffled' if shuffled else ''}.parquet"
    return copy(f"SELECT * REPLACE ({', '.join(pad)}) FROM '{old}'", target, f"hash({LINEITEM_HASH})" if shuffled else None)


def identical(file: pathlib.Path) -> pathlib.Path:
    """A copy of a file, byte by byte."""
    target = file.with_name("identical.parquet")
    if not target.exists():
        shutil.copyfile(file, target)
    return target


def wide_rare(place: pathlib.Path, columns: int, rows: int) -> tuple[pathlib.Path, pathlib.Path]:
    """Many columns; in one row of 10,000, one of them differs."""
    names = [f"(hash(i, {n}) % 100)::INTEGER AS int_{n}" for n in range(columns - 1)]
    old = copy(f"SELECT i AS id, {', '.join(names)} FROM range({rows}) AS rows(i)", place / f"wide-{columns}" / "old.parquet")
    changed = "CASE WHEN hash(id) % 10000 = 0 THEN int_7 + 1 ELSE int_7 END AS int_7"
    return old, copy(f"SELECT * REPLACE ({changed}) FROM '{old}'", old.with_name("new.parquet"))


def wide(place: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """60 columns of all kinds; in a fifth of new's rows, one of eight columns differs."""
    columns = ["i AS id"]
    columns += [f"(hash(i, {n}) % 1000000)::INTEGER AS int_{n}" for n in range(15)]
    columns += [f"((hash(i, {n}, 1) % 10000000) / 100)::DECIMAL(14, 2) AS decimal_{n}" for n in range(10)]
    columns += [f"(hash(i, {n}, 2) % 100000) / 64.0 AS double_{n}" for n in range(10)]
    columns += [f"'word ' || hash(i, {n}, 3) % 50 AS word_{n}" for n in range(7)]
    columns += [f"CASE WHEN i % 9 = {n} THEN NULL ELSE 'text ' || hash(i, {n}, 4) END AS text_{n}" for n in range(8)]
    columns += [f"TIMESTAMP '2026-01-01' + to_seconds(hash(i, {n}, 5) % 10000000) AS time_{n}" for n in range(5)]
    columns += [f"hash(i, {n}, 6) % 2 = 0 AS flag_{n}" for n in range(4)]
    old = copy(f"SELECT {', '.join(columns)} FROM range({ROWS['wide']}) AS rows(i)", place / "wide" / "old.parquet")
    change = lambda n, value: f"CASE WHEN hash(id) % 40 = {n} THEN {value} ELSE"
    changes = [f"{change(n, f'text_{n} || id')} text_{n} END AS text_{n}" for n in range(4)]
    changes += [f"{change(4 + n, f'int_{n} + 1')} int_{n} END AS int_{n}" for n in range(4)]
    new = copy(f"SELECT * REPLACE ({', '.join(changes)}) FROM '{old}'", place / "wide" / "new.parquet")
    return old, new


def narrow(place: pathlib.Path, rows: int, name: str) -> tuple[pathlib.Path, pathlib.Path]:
    """Two columns; one row of 500 differs."""
    old = copy(f"SELECT i AS id, hash(i) % 1000 AS value FROM range({rows}) AS rows(i)", place / name / "old.parquet")
    changed = "CASE WHEN hash(id) % 500 = 0 THEN value + 1 ELSE value END AS value"
    return old, copy(f"SELECT * REPLACE ({changed}) FROM '{old}'", place / name / "new.parquet")


def as_csv(file: pathlib.Path) -> pathlib.Path:
    """The same rows as CSV, for peers that read nothing else."""
    target = file.with_suffix(".csv")
    if not target.exists():
        duckdb.connect().execute(f"COPY (FROM '{file}') TO '{target}' (HEADER)")
    return target


def copy(select: str, target: pathlib.Path, order: str | None = None, group_rows: int | None = None) -> pathlib.Path:
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        db = duckdb.connect()
        db.execute("SET memory_limit = '12GB'")
        groups = ""
        if group_rows:
            # several threads would begin a row group each
            db.execute("SET threads = 1")
            groups = f", ROW_GROUP_SIZE {group_rows}"
        partial = target.with_suffix(".partial")
        db.execute(f"COPY ({select} {f'ORDER BY {order}' if order else ''}) TO '{partial}' (FORMAT parquet, COMPRESSION zstd{groups})")
        partial.rename(target)
    return target
