"""One comparison by one peer: python peers.py PEER OLD NEW KEY[,KEY…] [MEMORY [FUNCTIONS]]; prints the counts as JSON.
FUNCTIONS are SQL functions that columns are compared after, as JSON.

Every formulation is the one that a careful user of the peer would write; what it prints has to agree with
countersign's counts.
"""

import json
import os
import sys
import tempfile


def columns_of(db, old: str, keys: list[str]) -> list[str]:
    names = [row[0] for row in db.execute(f"DESCRIBE SELECT * FROM '{old}'").fetchall()]
    return [name for name in names if name not in keys]


def connect(memory: str | None):
    import duckdb

    db = duckdb.connect()
    db.execute(f"SET memory_limit = '{memory or '14GB'}'")
    db.execute("SET preserve_insertion_order = false")
    db.execute(f"SET temp_directory = '{tempfile.gettempdir()}/peers-spill'")
    return db


def after(names: list[str], side: str, functions: dict) -> list[str]:
    return [f"{functions[name]}({side}{name})" if name in functions else f"{side}{name}" for name in names]


def counts_of(row) -> dict:
    return dict(zip(["matched", "mismatch", "missing", "extra"], map(int, row)))


def classify(differ: str, old_key: str, new_key: str) -> str:
    both = f"{old_key} IS NOT NULL AND {new_key} IS NOT NULL"
    return f"""count(*) FILTER (WHERE {both} AND NOT ({differ})), count(*) FILTER (WHERE {both} AND ({differ})),
        count(*) FILTER (WHERE {new_key} IS NULL), count(*) FILTER (WHERE {old_key} IS NULL)"""


def duckdb_join(old, new, keys, memory, functions):
    """Full join by the key, every column compared."""
    db = connect(memory)
    names = columns_of(db, old, keys)
    pairs = zip(after(names, "o.", functions), after(names, "n.", functions))
    differ = " OR ".join(f"({one} IS DISTINCT FROM {two})" for one, two in pairs)
    on = " AND ".join(f"o.{key} = n.{key}" for key in keys)
    sql = f"SELECT {classify(differ, 'o.' + keys[0], 'n.' + keys[0])} FROM '{old}' o FULL JOIN '{new}' n ON {on}"
    return counts_of(db.execute(sql).fetchone())


def duckdb_hash(old, new, keys, memory, functions):
    """Each side hashed first, then a full join of keys and hashes."""
    db = connect(memory)
    names, key = ", ".join(after(columns_of(db, old, keys), "", functions)), ", ".join(keys)
    side = lambda file: f"(SELECT {key}, hash({names}) AS digest FROM '{file}')"
    on = " AND ".join(f"o.{key} = n.{key}" for key in keys)
    counts = classify("o.digest <> n.digest", "o." + keys[0], "n." + keys[0])
    return counts_of(db.execute(f"SELECT {counts} FROM {side(old)} o FULL JOIN {side(new)} n ON {on}").fetchone())


def write(db, columns, old_rows, new_rows, keys) -> dict:
    """Writes what differs, as countersign does: both rows and the names of the changed columns, in key order."""
    changed = ", ".join(f"CASE WHEN o.{name} IS DISTINCT FROM n.{name} THEN '{name}' END" for name in columns)
    on = " AND ".join(f"o.{key} = n.{key}" for key in keys)
    differ = " OR ".join(f"(o.{name} IS DISTINCT FROM n.{name})" for name in columns)
    order = ", ".join(f"coalesce(o.{key}, n.{key})" for key in keys)
    with tempfile.TemporaryDirectory() as place:
        target = os.path.join(place, "discrepancies.parquet")
        db.execute(f"""COPY (SELECT list_filter([{changed}], lambda name: name IS NOT NULL) AS changed, o, n
            FROM {old_rows} o FULL JOIN {new_rows} n ON {on}
            WHERE o.{keys[0]} IS NULL OR n.{keys[0]} IS NULL OR {differ} ORDER BY {order})
            TO '{target}' (FORMAT parquet, COMPRESSION zstd)""")
        key = f"o.{keys[0]} IS NOT NULL, n.{keys[0]} IS NOT NULL"
        return dict(((old, new), rows) for old, new, rows in
                    db.execute(f"SELECT {key}, count(*) FROM '{target}' GROUP BY ALL").fetchall())


def written_counts(db, old, found) -> dict:
    rows = db.execute(f"SELECT count(*) FROM '{old}'").fetchone()[0]
    mismatch, missing, extra = (found.get(sides, 0) for sides in [(True, True), (True, False), (False, True)])
    return counts_of([rows - mismatch - missing, mismatch, missing, extra])


def duckdb_join_written(old, new, keys, memory, *_rest):
    """The full join, and what differs written to a Parquet file."""
    db = connect(memory)
    return written_counts(db, old, write(db, columns_of(db, old, keys), f"'{old}'", f"'{new}'", keys))


def duckdb_hash_written(old, new, keys, memory, *_rest):
    """The join of hashes; then the rows that it finds are read again and written to a Parquet file."""
    db = connect(memory)
    columns = columns_of(db, old, keys)
    key, on = ", ".join(keys), " AND ".join(f"o.{key} = n.{key}" for key in keys)
    side = lambda file: f"(SELECT {key}, hash({', '.join(columns)}) AS digest FROM '{file}')"
    found = ", ".join(f"coalesce(o.{key}, n.{key}) AS {key}" for key in keys)
    db.execute(f"CREATE TEMP TABLE found AS SELECT {found} FROM {side(old)} o FULL JOIN {side(new)} n ON {on} "
               f"WHERE o.digest IS DISTINCT FROM n.digest")
    rows = lambda file: f"(SELECT s.* FROM '{file}' s SEMI JOIN found USING ({key}))"
    return written_counts(db, old, write(db, columns, rows(old), rows(new), keys))


def datafusion_sql(old, new, keys, *_rest):
    """The full join in DataFusion's SQL."""
    from datafusion import SessionContext

    context = SessionContext()
    context.register_parquet("o", old)
    context.register_parquet("n", new)
    names = [field.name for field in context.table("o").schema() if field.name not in keys]
    differ = " OR ".join(f"(o.{name} IS DISTINCT FROM n.{name})" for name in names)
    on = " AND ".join(f"o.{key} = n.{key}" for key in keys)
    sql = f"SELECT {classify(differ, 'o.' + keys[0], 'n.' + keys[0])} FROM o FULL JOIN n ON {on}"
    return counts_of([column[0].as_py() for column in context.sql(sql).collect()[0].columns])


def polars_streaming(old, new, keys, *_rest):
    """A full join of lazy frames on the streaming engine."""
    import polars as pl

    one, two = pl.scan_parquet(old).with_columns(o=pl.lit(True)), pl.scan_parquet(new).with_columns(n=pl.lit(True))
    names = [name for name in pl.scan_parquet(old).collect_schema().names() if name not in keys]
    joined = one.join(two, on=keys, how="full", suffix="_new", nulls_equal=True)
    differ = pl.any_horizontal([pl.col(name).ne_missing(pl.col(name + "_new")) for name in names])
    both = pl.col("o").is_not_null() & pl.col("n").is_not_null()
    sums = [both & ~differ, both & differ, pl.col("n").is_null(), pl.col("o").is_null()]
    frame = joined.select([test.sum().alias(str(at)) for at, test in enumerate(sums)])
    return counts_of(frame.collect(engine="streaming").row(0))


def datacompy_polars(old, new, keys, *_rest):
    """datacompy's comparison of two Polars frames."""
    import polars as pl
    from datacompy.polars import PolarsCompare

    result = PolarsCompare(pl.read_parquet(old), pl.read_parquet(new), join_columns=keys)
    matched = result.count_matching_rows()
    pairs = len(result.intersect_rows)
    return counts_of([matched, pairs - matched, len(result.df1_unq_rows), len(result.df2_unq_rows)])


def deepdiff_rs(old, new, keys, *_rest):
    """deepdiff-rs on two Arrow tables."""
    import deepdiff_rs
    import pyarrow.parquet as pq

    one, two = pq.read_table(old), pq.read_table(new)
    found = deepdiff_rs.diff_tables(one, two, key=keys).summary()
    missing, extra, changed = (found[kind] for kind in ("rows_removed", "rows_added", "rows_changed"))
    return counts_of([one.num_rows - missing - changed, changed, missing, extra])


def csv_diff(old, new, keys, *_rest):
    """csv-diff on the rows as CSV; it takes one key column."""
    import csv_diff

    one, two = (csv_diff.load_csv(open(file), key=keys[0]) for file in (old, new))
    diff = csv_diff.compare(one, two)
    missing, extra, changed = (len(diff[kind]) for kind in ("removed", "added", "changed"))
    return counts_of([len(one) - missing - changed, changed, missing, extra])


if __name__ == "__main__":
    peer, old, new, keys = sys.argv[1:5]
    memory = sys.argv[5] if len(sys.argv) > 5 else None
    functions = json.loads(sys.argv[6]) if len(sys.argv) > 6 else {}
    print(json.dumps(globals()[peer](old, new, keys.split(","), memory, functions)))
