"""Migrates a shop of ten tables from MariaDB to PostgreSQL with 25 known defects, and exports both databases.

    databases.py DIR [--rows N] [--seed S] [--clean]

`DIR/old` has MariaDB's tables as a script writes them with pymysql, half of them as Parquet and half as CSV. `DIR/new`
has PostgreSQL's, as CSV of psql and as Parquet of a script. A table is only in old, one is only in new, and some have
other names there. With --clean, no defects are planted. `DIR/manifest.json` lists the tables, and the defects with the
keys of their rows, in which commas separate the columns. Needs what servers.py needs.
"""

import argparse
import dataclasses
import datetime as dt
import json
import pathlib
import random
import signal
import sys
import tempfile
import uuid
from decimal import Decimal

import psycopg
import pyarrow as pa
import pyarrow.parquet
import pymysql

import make
import servers
from forms import compact_json, fixed
from table import float32


@dataclasses.dataclass(frozen=True)
class Column:
    """The types of a column in both databases and in the Parquet files that scripts write from them, and its values."""

    mariadb: str
    postgres: str
    old: pa.DataType
    new: pa.DataType
    draw: object
    nulls: float = 0.08

    def __call__(self, draw=None, nulls=0.08):
        """The same with other values."""
        return dataclasses.replace(self, draw=draw or self.draw, nulls=nulls)


@dataclasses.dataclass(frozen=True)
class Table:
    """A table, where it is exported to, its columns, those of the key first, and its rows for each of `--rows`."""

    old: str | None
    new: str | None
    columns: dict
    share: float = 1.0
    key: tuple = ("id",)

    @property
    def name(self):
        return (self.old or self.new).removesuffix(".csv")


@dataclasses.dataclass(frozen=True)
class Defect:
    """`change` changes values that are not NULL, or only NULL, or without a column rows. Without a count, it is planted
    wherever it changes something. Without a change, rows are missing, extra, or have exchanged values."""

    table: str
    column: str | None
    kind: str
    count: int | None
    change: object = None
    of_null: bool = False
    found: str = "mismatch"

    def changed(self, row):
        """The columns of the row that are to change, and their values."""
        if self.column and (row[self.column] is None) != self.of_null:
            return {}
        found = {self.column: self.change(row[self.column])} if self.column else self.change(row)
        return {column: value for column, value in found.items() if row[column] != value}


STATUS = {"A": "active", "I": "inactive", "S": "suspended"}
RENAMED = {"customer_name": "cust_name", "customer_email": "cust_email"}
ENUMS = {"order_status": ("new", "paid", "sent", "returned"), "audit_action": ("insert", "update", "delete")}
LABELS = ["size", "été", 'a "b"', "x,y", ""]
TAGS = ("gift", "express", "fragile", "b2b")
WORDS = ["ash", "Birke", "chêne", "дуб", "fir", "桜", "oak", "pine", "Eßkastanie", "larch"]
CITIES = ["Berlin", "Zürich", "Köln", "Málaga", "São Paulo", "Oslo", "Porto", "Orléans", "Leeds", "Besançon"]
HARD = [
    "", "", "", " ", "it's", 'say "hi"', "a,b", "a;b|c", "line one\nline two", "a\r\nb", "\ttab", "\\N", "NULL", "\\",
    "日本語", "e\u0301 \u00e9", "<b>&amp;</b>", "=1+1", "0", "2025-01-01", "{a,b}", "👩‍👩‍👧 family", "x" * 300,
]


def words(s, least=1, most=5):
    return " ".join(s.choices(WORDS, k=s.randint(least, most)))


def text(s):
    emoji = f"{words(s)} {s.choice('🙂🎁🌲🚚')}{s.choice(['', '!', ' end'])}"
    return s.choice([s.choice(HARD), emoji, words(s), words(s)])


def moment(s):
    microseconds = s.choice([0, s.randrange(10**6)])
    return dt.datetime(2024, 1, 1) + dt.timedelta(seconds=s.randrange(731 * 86_400), microseconds=microseconds)


def document(s):
    found = {"source": s.choice(["web", "shop", "téléphone"]), "attempt": s.randint(1, 4), "sum": s.randint(1, 999) / 8}
    return found | s.choice([{}, {"card": {"brand": "visa", "3ds": s.random() < 0.5}}, {"lines": [1, "two", None]}])


def letters(width):
    return lambda s: "".join(s.choices("ABCDEFGHJK0123456789", k=s.randint(max(1, width - 3), width)))


def one_of(*values):
    return lambda s: s.choice(values)


def same(declared, draw, kind=pa.string()):
    """A column whose type has the same name in both databases."""
    return Column(declared, declared, kind, kind, draw)


def enum(name):
    return Column(f"ENUM{ENUMS[name]}", name, TEXT.old, TEXT.new, one_of(*ENUMS[name]))


TEXT = same("text", text)
ID = same("bigint", lambda s: 1000 + 3 * s.randrange(400), pa.int64())
INT = same("integer", lambda s: s.randint(-50, 5000), pa.int32())
COUNT = Column("INT UNSIGNED", "bigint", pa.uint32(), pa.int64(), lambda s: s.randint(1, 90))
UNSIGNED = Column("BIGINT UNSIGNED", "numeric(20)", pa.uint64(), pa.decimal128(20, 0),
                  lambda s: s.choice([s.randrange(10**6), s.randrange(2**54, 2**64)]))
FLAG = Column("TINYINT(1)", "boolean", pa.int8(), pa.bool_(), one_of(True, False))
AMOUNT = same("numeric(12,2)", lambda s: Decimal(s.randint(1, 10**6)).scaleb(-2), pa.decimal128(12, 2))
PRECISE = same("numeric(30,10)", lambda s: Decimal(s.randint(-(10**24), 10**24)).scaleb(-10), pa.decimal128(30, 10))
DOUBLE = same("double precision", lambda s: s.uniform(-60, 60), pa.float64())
REAL = Column("FLOAT", "real", pa.float32(), pa.float32(), lambda s: s.randint(1, 9999) / 100)  # six digits
DATE = same("date", lambda s: moment(s).date(), pa.date32())
TIME = Column("TIME", "time", TEXT.old, pa.time64("us"), lambda s: dt.time(s.randrange(24), s.choice([0, 30])))
DATETIME = Column("DATETIME(6)", "timestamp", pa.timestamp("us"), pa.timestamp("us"), moment)
TIMESTAMP = Column("TIMESTAMP(6) NULL", "timestamptz", pa.timestamp("us"), pa.timestamp("us", "UTC"),
                   lambda s: moment(s).replace(tzinfo=dt.UTC))
UUID = Column("BINARY(16)", "uuid", pa.binary(16), TEXT.new, lambda s: uuid.UUID(int=s.getrandbits(128), version=4))
BYTES = Column("BLOB", "bytea", pa.binary(), pa.binary(), lambda s: s.randbytes(s.randint(0, 24)))
JSON = Column("JSON", "jsonb", TEXT.old, TEXT.new, document)
# in any order, and in that of the definition
LIST = Column("JSON", "text[]", TEXT.old, pa.list_(TEXT.new), lambda s: s.sample(LABELS, k=s.randint(0, 5)))
SET = Column(f"SET{TAGS}", "text[]", TEXT.old, pa.list_(TEXT.new), lambda s: [tag for tag in TAGS if s.random() < 0.4])
CODE = Column("CHAR(1)", "varchar(10)", TEXT.old, TEXT.new, one_of(*STATUS.values()))
NAME = same("varchar(120)", words)
UPDATED = TIMESTAMP(nulls=0)
COUNTRY = same("char(3)", one_of("DE", "FR", "CHE", "BR", "GB"))

TABLES = [
    Table("customers", "Customers", {
        "id": ID, "customer_name": same("varchar(80)", words),
        "customer_email": same("varchar(80)", lambda s: f"{letters(9)(s).lower()}@example.org"), "status": CODE,
        "external_id": UUID, "country": COUNTRY, "newsletter": FLAG,
        "born": DATE(lambda s: dt.date(1940, 1, 1) + dt.timedelta(days=s.randrange(24_000))), "notes": TEXT,
        "created_at": DATETIME, "updated_at": UPDATED,
    }),
    Table("addresses.csv", "addresses.csv", {
        "id": ID, "customer_id": ID, "postcode": same("char(10)", letters(8)), "country": COUNTRY,
        "street": same("varchar(120)", lambda s: f"{s.choice(CITIES)}er Straße {s.randint(1, 300)}, {words(s)}"),
        "extra": same("varchar(60)", lambda s: words(s, 1, 2) + s.choice(["", "", "  ", " "])),
        "city": same("varchar(40)", one_of(*CITIES)), "latitude": DOUBLE, "is_default": FLAG, "valid_from": DATE,
    }),
    Table("categories.csv", "categories.csv", {
        "id": ID, "parent_id": ID, "name": NAME, "position": INT, "is_visible": FLAG, "facets": LIST, "margin": REAL,
        "created_at": DATETIME,
    }, share=0.1),
    Table("products", "public.products.csv", {
        "id": ID, "sku": same("char(12)", letters(12)), "title": NAME, "description": TEXT, "price": AMOUNT,
        "tags": SET, "weight": REAL, "rating": DOUBLE, "barcode": UNSIGNED, "attributes": JSON, "thumbnail": BYTES,
        "discontinued": FLAG, "listed_on": DATE, "updated_at": UPDATED,
    }),
    Table("orders.csv", "orders", {
        "id": ID, "customer_id": ID, "number": same("char(10)", letters(10)), "status": enum("order_status"),
        "total": AMOUNT(nulls=0), "labels": LIST, "comment": TEXT, "is_gift": FLAG, "deliver_from": TIME,
        "placed_at": DATETIME, "paid_at": TIMESTAMP, "updated_at": UPDATED,
    }),
    Table("order_items", "public.order_items.csv", {
        "order_id": ID, "line_no": INT, "product_id": ID, "quantity": COUNT, "unit_price": AMOUNT, "tax_rate": PRECISE,
        "discount": DOUBLE(lambda s: s.choice([0.0, s.random()])), "engraving": same("varchar(300)", text),
    }, share=1.5, key=("order_id", "line_no")),
    Table("payments", "payments", {
        "id": ID, "order_id": ID, "amount": AMOUNT, "currency": same("char(4)", one_of("EUR", "PLN", "GBP")),
        "fx_rate": PRECISE, "reference": UUID, "payload": JSON, "refunded": FLAG, "captured_at": TIMESTAMP,
        "due_on": DATE,
    }),
    Table("shipments", "shipments.csv", {
        "id": UUID, "order_id": ID, "carrier": same("varchar(20)", one_of("DHL", "Pošta", "Royal Mail")),
        "tracking": same("varchar(40)", letters(20)), "shipped_on": DATE, "window_from": TIME, "weight": REAL,
        "label": BYTES, "delivered_at": TIMESTAMP,
    }, share=0.75),
    Table("stock.csv", "stock", {
        "id": ID, "product_id": ID, "warehouse": same("char(6)", letters(5)), "quantity": INT, "reorder_level": COUNT,
        "serial": UNSIGNED, "cost": PRECISE, "volume": DOUBLE, "bins": SET, "digest": BYTES, "counted_at": DATETIME,
    }),
    Table("audit_entry.csv", "audit_entries.csv", {
        "id": ID, "actor": same("varchar(60)", one_of("ann", "Bob O'Neil", "søren")), "action": enum("audit_action"),
        "request_id": UUID, "changes": JSON, "comment": TEXT, "at": TIMESTAMP,
    }, share=1.5),
    Table("sessions.csv", None, {"id": ID, "customer_id": ID, "token": UUID, "seen_at": TIMESTAMP}, share=0.5),
    Table(None, "feature_flags.csv", {"id": ID, "name": NAME, "is_on": FLAG}, share=0.05),
]

# those that take a range or all rows come first
DEFECTS = [
    Defect("order_items", None, "contiguous rows missing", 12, found="missing"),
    Defect("orders", "paid_at", "one hour late in March 2025", None,
           lambda value: value + dt.timedelta(hours=(value.year, value.month) == (2025, 3))),
    Defect("payments", "amount", "rounded to units", 8, lambda value: value.quantize(Decimal(1))),
    Defect("orders", "total", "in cents", 6, lambda value: value * 100),
    Defect("addresses", "street", "cut at 20 characters", 9, lambda value: value[:20]),
    Defect("addresses", "extra", "trailing blanks lost", 7, str.rstrip),
    Defect("addresses", "city", "encoded twice", 8, lambda value: value.encode().decode("cp1252")),
    Defect("products", "description", "emoji became ?", 6,
           lambda value: "".join("?" if character > "\uffff" else character for character in value)),
    Defect("customers", "notes", "NULL became ''", 7, lambda _: "", of_null=True),
    Defect("audit_entry", "comment", "'' became NULL", 8, lambda value: value or None),
    Defect("stock", "reorder_level", "NULL became 0", 5, lambda _: 0, of_null=True),
    Defect("audit_entry", "at", "cut to seconds", 10, lambda value: value.replace(microsecond=0)),
    Defect("customers", "born", "one day early", 6, lambda value: value - dt.timedelta(days=1)),
    Defect("products", "discontinued", "flipped", 4, lambda value: not value),
    Defect("customers", "status", "mapped wrongly", 5, lambda value: value.replace("suspended", "inactive")),
    Defect("order_items", "discount", "went through float32", 10, float32),
    Defect("stock", "serial", "went through a double", 6, lambda value: int(float(value))),
    Defect("payments", "payload", "JSON key lost", 5, lambda value: dict(list(value.items())[1:])),
    Defect("audit_entry", "changes", "JSON number in quotes", 4, lambda value: value | {"sum": str(value["sum"])}),
    Defect("orders", "labels", "array in reverse order", 6, lambda value: value[::-1]),
    Defect("payments", "reference", "UUID in another byte order", 5, lambda value: uuid.UUID(bytes=value.bytes_le)),
    Defect("shipments", None, "scattered rows missing", 7, found="missing"),
    Defect("stock", None, "rows added", 5, found="extra"),
    Defect("customers", "customer_email", "exchanged between two rows", 2),
    Defect("orders", None, "stale row", 9, lambda row: {
        "total": row["total"] / 2 // 1, "updated_at": row["updated_at"] - dt.timedelta(days=40)}),
]


def drawn(table, count, seed):
    """The rows of a table as new has them, in ascending order of the key."""
    source = random.Random(f"{seed} {table.name}")
    count = max(1, round(count * table.share))
    if table.columns[table.key[0]] is UUID:
        keys = [[key] for key in sorted(UUID.draw(source) for _ in range(count))]
    else:
        keys = [[1000 + 3 * at] if len(table.key) == 1 else [1000 + at // 3 * 3, at % 3 + 1] for at in range(count)]
    columns = list(table.columns.values())[len(table.key):]
    rows = [
        [*key, *(None if source.random() < column.nulls else column.draw(source) for column in columns)] for key in keys
    ]
    return [dict(zip(table.columns, row)) for row in rows]


def plant(defect, table, rows, taken, source):
    """Plants a defect in rows that no other has taken, and returns it as the manifest lists it."""
    def key(row):
        return ",".join(str(row[column]) for column in table.key)

    def fits(row):
        return defect.changed(row) if defect.change else not defect.column or row[defect.column]

    free = [row for row in rows if key(row) not in taken and fits(row)]
    count = min(len(free), defect.count or len(free))
    if not count:
        raise ValueError(f"{defect.table} has too few rows: {defect.kind}")
    start = source.randrange(len(free) - count + 1)
    found = free[start : start + count] if "contiguous" in defect.kind else source.sample(free, k=count)
    columns = [defect.column] if defect.column else []
    if defect.found == "missing":
        rows[:] = [row for row in rows if row not in found]
    elif defect.found == "extra":
        found = [row | {"id": row["id"] + 1} for row in found]
        rows.extend(found)
    elif defect.change:
        columns = list(defect.changed(found[0]))
        for row in found:
            row.update(defect.changed(row))
    else:
        (first, second), name = found, defect.column
        first[name], second[name] = second[name], first[name]
    taken.update(map(key, found))
    entry = {"table": defect.table, "column": defect.column, "columns": columns, "kind": defect.kind}
    return entry | {"keys": sorted(map(key, found)), "class": defect.found}


def in_mariadb(column, value, zero_date):
    """A value as MariaDB has it; some dates that are NULL in new are zero there."""
    if column is CODE and value:
        return next(code for code, status in STATUS.items() if status == value)
    if value is None and zero_date and column.mariadb in (DATE.mariadb, DATETIME.mariadb):
        return "0000-00-00"
    if isinstance(value, (list, dict)):
        return ",".join(value) if column is SET else json.dumps(value)
    if isinstance(value, uuid.UUID):
        return value.bytes
    return value.replace(tzinfo=None) if isinstance(value, dt.datetime) else value


def exported(column, value):
    """A value of the driver as a script exports it: dates that are no dates as NULL, and times of day as text."""
    if column.mariadb in (DATE.mariadb, DATETIME.mariadb) and isinstance(value, str):
        return None
    return str(dt.datetime.min + value)[11:] if isinstance(value, dt.timedelta) else value


def field(value):
    """A field of CSV in which NULL and '' differ; bytes are hexadecimal."""
    if value is None:
        return ""
    if isinstance(value, (str, bytes)):
        shown = value.hex() if isinstance(value, bytes) else value.replace('"', '""')
        return f'"{shown}"'
    return fixed(value) if isinstance(value, Decimal) else str(value)


def write_parquet(path, names, types, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = [pa.array([row[at] for row in rows], kind) for at, kind in enumerate(types)]
    pyarrow.parquet.write_table(pa.table(arrays, names), path)


def export_old(cursor, table, rows, directory):
    columns, name = table.columns.values(), table.name
    names = [RENAMED.get(name, name) for name in table.columns]
    types = ", ".join(f"{name} {column.mariadb}" for name, column in zip(names, columns))
    cursor.execute(f"CREATE TABLE {name} ({types}, PRIMARY KEY ({', '.join(table.key)}))")
    values = [[in_mariadb(*pair, at % 2) for pair in zip(columns, row.values())] for at, row in enumerate(rows)]
    cursor.executemany(f"INSERT INTO {name} VALUES ({', '.join(['%s'] * len(names))})", values)
    cursor.execute(f"SELECT * FROM {name} ORDER BY {', '.join(table.key)}")
    read = [[exported(*pair) for pair in zip(columns, row)] for row in cursor.fetchall()]
    if table.old.endswith(".csv"):
        lines = [",".join(names), *(",".join(map(field, row)) for row in read)]
        (directory / table.old).write_bytes("".join(f"{line}\n" for line in lines).encode())
    else:
        write_parquet(directory / table.old / f"{name}.parquet", names, [column.old for column in columns], read)


def export_new(db, url, table, rows, directory):
    path, name = directory / table.new, f'"{table.new.removesuffix(".csv").removeprefix("public.")}"'
    types = ", ".join(f"{name} {column.postgres}" for name, column in table.columns.items())
    db.execute(f"CREATE TABLE {name} ({types}, PRIMARY KEY ({', '.join(table.key)}))")
    values = [[compact_json(value) if isinstance(value, dict) else value for value in row.values()] for row in rows]
    db.cursor().executemany(f"INSERT INTO {name} VALUES ({', '.join(['%s'] * len(table.columns))})", values)
    db.commit()
    ordered = f"FROM {name} ORDER BY {', '.join(table.key)}"
    if table.new.endswith(".csv"):
        copy = f"\\copy (SELECT * {ordered}) TO '{path}' (FORMAT csv, HEADER)"
        servers.run(servers.program("psql", "postgresql-client"), url, "-X", "-q", "-c", copy)
        return
    # the driver makes objects of these
    as_text = (UUID.postgres, JSON.postgres)
    selected = [f"{name}::text" if column.postgres in as_text else name for name, column in table.columns.items()]
    read = db.execute(f"SELECT {', '.join(selected)} {ordered}").fetchall()
    half, types = len(read) // 2, [column.new for column in table.columns.values()]
    for part, rows in enumerate([read[:half], read[half:]]):
        write_parquet(path / f"part-{part}.parquet", list(table.columns), types, rows)


def migrate(olds, news, directory):
    """Fills both databases with the rows of their tables, and exports them."""
    for side in ("old", "new"):
        (directory / side).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        # the servers run as other users
        root.chmod(0o755)
        with servers.mariadb(root) as login, pymysql.connect(**login, charset="utf8mb4", autocommit=True) as db:
            cursor = db.cursor()
            cursor.execute("CREATE DATABASE shop CHARACTER SET utf8mb4")
            cursor.execute("USE shop")
            for table in filter(lambda table: table.old, TABLES):
                export_old(cursor, table, olds[table.name], directory / "old")
        with servers.postgres(root) as url, psycopg.connect(url) as db:
            for enumeration, values in ENUMS.items():
                db.execute(f"CREATE TYPE {enumeration} AS ENUM {values}")
            for table in filter(lambda table: table.new, TABLES):
                export_new(db, url, table, news[table.name], directory / "new")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clean", action="store_true")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    tables = {table.name: table for table in TABLES}
    olds, news = ({name: drawn(table, args.rows, args.seed) for name, table in tables.items()} for _ in range(2))
    source, taken = random.Random(f"defects {args.seed}"), {name: set() for name in tables}
    defects = [
        plant(defect, tables[defect.table], news[defect.table], taken[defect.table], source)
        for defect in ([] if args.clean else DEFECTS)
    ]
    migrate(olds, news, args.directory.absolute())
    pairs = {
        name: {"old": f"old/{table.old}", "new": f"new/{table.new}", "key": list(table.key)}
        | {"rows_old": len(olds[name]), "rows_new": len(news[name])}
        for name, table in tables.items() if table.old and table.new
    }
    unpaired = {
        "old": {name: f"old/{table.old}" for name, table in tables.items() if not table.new},
        "new": {name: f"new/{table.new}" for name, table in tables.items() if not table.old},
    }
    make.save({"tables": pairs, "unpaired": unpaired, "defects": defects}, args.directory / "manifest.json")


if __name__ == "__main__":
    main()
