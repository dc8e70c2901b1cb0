"""Typed files: Parquet as stores and libraries write it, Arrow IPC, and Avro."""

import datetime as dt
import hashlib
import json
from decimal import Decimal

import duckdb
import fastavro
import pandas
import polars
import pyarrow as pa
import pyarrow.parquet as pq

from base import Format, declared
from forms import array_text, base64_text, clock, compact_json, fixed, instant, json_value, jsonb
from table import KINDS, TYPES

MICROSECONDS = pa.timestamp("us")
UTC_MICROSECONDS = pa.timestamp("us", "UTC")
ARROW = {
    "int64": pa.int64(), "char(6)": pa.string(), "text": pa.string(), "boolean": pa.bool_(), "int32": pa.int32(),
    "uint64": pa.uint64(), "decimal(12,2)": pa.decimal128(12, 2), "decimal(30,12)": pa.decimal128(30, 12),
    "float64": pa.float64(), "float32": pa.float32(), "date": pa.date32(), "time": pa.time64("us"),
    "timestamp": MICROSECONDS, "timestamptz": UTC_MICROSECONDS, "uuid": pa.uuid(), "bytes": pa.binary(),
    "json": pa.json_(), "list<text>": pa.list_(pa.string()), "enum": pa.dictionary(pa.int32(), pa.string()),
}


def uuid_bytes(value):
    return value.bytes


def without_zone(moment):
    return moment.replace(tzinfo=None)


def text(convert=str):
    return pa.string(), convert


def six_digits(value):
    return clock(value, 6)


class Columnar(Format):
    """A table of Arrow, as Parquet. `OTHER` has the columns whose type is not that of the logical table, with what
    turns a value into it."""

    OTHER = {}
    OPTIONS = {}

    def table(self, rows):
        arrays = {}
        for column in self.COLUMNS:
            kind, convert = self.OTHER.get(column) or (ARROW[TYPES[column]], uuid_bytes if column == "token" else None)
            values = [row[column] if convert is None or row[column] is None else convert(row[column]) for row in rows]
            is_extension = isinstance(kind, pa.BaseExtensionType)
            array = pa.array(values, kind.storage_type if is_extension else kind)
            arrays[self.named(column)] = kind.wrap_array(array) if is_extension else array
        return pa.table(arrays)

    def write(self, rows, path):
        pq.write_table(self.table(rows), path, **self.OPTIONS)


PART = "part-00000-2f1f3f6e-5b0e-4f0e-8d43-0c6c3c5a7a10-c000.gz.parquet"


class RdsMysql(Columnar, name="rds-mysql", file=f"orders-export/shop/shop.orders/1/{PART}"):
    """An RDS snapshot of MySQL exported to S3: CHAR is bytes without STRING, BOOLEAN is INT32, BIGINT UNSIGNED is
    DECIMAL(20,0), FLOAT is DOUBLE, DATE and TIME are strings, DATETIME and TIMESTAMP are microseconds adjusted to UTC.
    Documented at docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ExportSnapshot.data-types.html."""

    OPTIONS = {"compression": "gzip", "store_decimal_as_integer": True}
    COLUMNS = declared(
        code="bytes", active="int32", total="decimal(20,0)", ratio="float64", born="text", starts="text",
        created="timestamptz", token="binary(16)", payload="text", tags="text",
    )
    NOTES = {"code": "UTF-8", "ratio": "a double of the float32", "created": "no zone, adjusted to UTC", "tags": "JSON"}
    OTHER = {
        "code": (pa.binary(), str.encode),
        "active": (pa.int32(), int),
        "total": (pa.decimal128(20, 0), Decimal),
        "ratio": (pa.float64(), None),
        "born": text(),
        "starts": text(six_digits),
        "created": (UTC_MICROSECONDS, None),
        "token": (pa.binary(16), uuid_bytes),
        "payload": text(),
        "tags": text(compact_json),
        "kind": text(),
    }

    def write(self, rows, path):
        super().write(rows, path)
        (path.parent / "_SUCCESS").touch()
        export = path.parents[3]
        info = {"exportTaskIdentifier": export.name, "status": "COMPLETE", "percentProgress": 100}
        (export / f"export_info_{export.name}.json").write_text(json.dumps(info))
        tables = {"perTableStatus": [{"target": path.parents[1].name, "status": "COMPLETE"}]}
        (export / f"export_tables_info_{export.name}_from_1_to_1.json").write_text(json.dumps(tables))


class RdsPostgres(RdsMysql, name="rds-postgres", file=f"orders-export/shop/public.orders/1/{PART}"):
    """An RDS snapshot of PostgreSQL exported to S3: NUMERIC, DATE, TIME, timestamps, UUID, JSON, and arrays are
    strings, as PostgreSQL prints them. Documented at
    docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ExportSnapshot.data-types.html."""

    COLUMNS = declared(
        **dict.fromkeys(
            ["total", "price", "rate", "born", "starts", "created", "updated", "token", "payload", "tags"], "text"
        )
    )
    NOTES = {"code": "padded", "tags": "PostgreSQL's text", "updated": "ends with +00"}
    OTHER = {
        "code": text(lambda value: value.ljust(6)),
        "total": text(),
        "price": text(fixed),
        "rate": text(fixed),
        "born": text(),
        "starts": text(lambda value: clock(value, "trimmed")),
        "created": text(lambda value: instant(value, "trimmed")),
        "updated": text(lambda value: instant(value, "trimmed") + "+00"),
        "token": text(),
        "payload": text(jsonb),
        "tags": text(array_text),
        "kind": text(),
    }


class SnowflakeParquet(Columnar, name="snowflake-parquet", file="data_0_0_0.snappy.parquet", upper=True):
    """`COPY INTO @stage FILE_FORMAT = (TYPE = PARQUET) HEADER = TRUE`: upper-case names, integers are DECIMAL(38,0),
    FLOAT is DOUBLE; TIMESTAMP_TZ cannot be unloaded, so it is cast to NTZ, and TIME to text. VARIANT and ARRAY are
    JSON. Documented at docs.snowflake.com under COPY INTO <location>."""

    OPTIONS = {"compression": "snappy"}
    COLUMNS = declared(
        id="decimal(38,0)", quantity="decimal(38,0)", total="decimal(20,0)", ratio="float64", starts="text",
        updated="timestamp", token="text", payload="text", tags="text",
    )
    NOTES = {"ratio": "a double of the float32", "updated": "UTC, without a zone", "starts": "text", "tags": "JSON"}
    OTHER = {
        "id": (pa.decimal128(38, 0), Decimal),
        "quantity": (pa.decimal128(38, 0), Decimal),
        "total": (pa.decimal128(20, 0), Decimal),
        "ratio": (pa.float64(), None),
        "starts": text(six_digits),
        "updated": (MICROSECONDS, without_zone),
        "token": text(),
        "payload": text(lambda value: compact_json(json_value(value))),
        "tags": text(compact_json),
        "kind": text(),
    }


class DmsParquet(Columnar, name="dms-parquet", file="shop/orders/LOAD00000001.parquet"):
    """AWS DMS to S3 as Parquet, from MySQL: unsigned integers stay UINT64, TINYINT(1) is INT8, timestamps are
    microseconds in UTC, and `Op` is the first column. Documented at
    docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html, the types under "Data types for AWS DMS"."""

    COLUMNS = {"Op": "text"} | declared(active="int8", token="bytes", updated="timestamp", payload="text", tags="text")
    NOTES = {"Op": "I, U, or D", "updated": "UTC, without a zone", "tags": "JSON"}
    OTHER = {
        "Op": text(),
        "active": (pa.int8(), int),
        "updated": (MICROSECONDS, without_zone),
        "token": (pa.binary(), uuid_bytes),
        "payload": text(),
        "tags": text(compact_json),
        "kind": text(),
    }

    def write(self, rows, path):
        super().write([{"Op": "I", **row} for row in rows], path)


class PandasParquet(Format, name="pandas", file="orders.parquet", plain=True):
    """A data frame of what a query returned, written by to_parquet without a thought: numbers with NULLs became floats,
    so `total` lost digits and `quantity` is a DOUBLE; UUIDs are text; tags are a column of objects. Documented at
    pandas.pydata.org under "Working with missing data" and DataFrame.to_parquet."""

    COLUMNS = declared(quantity="float64", total="float64", token="text", payload="text", kind="text", ratio="float64")
    NOTES = {"total": "DOUBLE", "quantity": "DOUBLE", "ratio": "a double of the float32"}
    LOST = {"total": ("a double has 53 bits", lambda value: int(float(value)) != value)}

    def write(self, rows, path):
        frame = pandas.DataFrame(rows).astype({"quantity": "float64", "total": "float64"})
        frame["token"] = [None if value is None else str(value) for value in frame["token"]]
        frame.to_parquet(path)


class DuckDbParquet(Columnar, name="duckdb", file="orders.parquet", plain=True):
    """DuckDB's `COPY … TO (FORMAT parquet)` of a table with its own types: UBIGINT, UUID, JSON, ENUM, VARCHAR[], and
    TIMESTAMP WITH TIME ZONE. Documented at duckdb.org/docs/data/parquet."""

    OTHER = {"payload": text(), "token": text(), "kind": text()}

    def write(self, rows, path):
        kinds = ", ".join(f"'{kind}'" for kind in KINDS)
        with duckdb.connect() as db:
            db.execute("SET TimeZone = 'UTC'")
            db.register("rows", self.table(rows))
            db.execute(f"CREATE TYPE kinds AS ENUM ({kinds})")
            cast = "token::UUID AS token, payload::JSON AS payload, kind::kinds AS kind"
            db.execute(f"CREATE TABLE orders AS SELECT * REPLACE ({cast}) FROM rows")
            db.execute(f"COPY orders TO '{path}' (FORMAT parquet)")


class PolarsParquet(Columnar, name="polars", file="orders.parquet", plain=True):
    """Polars' write_parquet: Enum, Decimal, UInt64, List(String), Time in nanoseconds, and UUIDs as text. Documented at
    docs.pola.rs under DataFrame.write_parquet."""

    COLUMNS = declared(token="text", payload="text")
    OTHER = {"payload": text(), "token": text(), "kind": text()}

    def write(self, rows, path):
        frame = polars.from_arrow(self.table(rows)).with_columns(polars.col("kind").cast(polars.Enum(KINDS)))
        frame.write_parquet(path)


class PyArrowParquet(Columnar, name="pyarrow", file="orders.parquet", plain=True):
    """pyarrow's write_table with its defaults: all types of the table, UUID and JSON by their logical types. Documented
    at arrow.apache.org/docs/python/parquet.html."""


class ArrowFile(Columnar, name="arrow-file", file="orders.arrow", plain=True):
    """Arrow IPC with a footer, by pyarrow's new_file, in batches of 64 rows. Documented at
    arrow.apache.org/docs/python/ipc.html."""

    OPEN = staticmethod(pa.ipc.new_file)

    def write(self, rows, path):
        found = self.table(rows)
        with self.OPEN(path, found.schema) as writer:
            writer.write_table(found, max_chunksize=64)


class ArrowStream(ArrowFile, name="arrow-stream", file="orders.arrows"):
    """Arrow IPC without a footer, by pyarrow's new_stream. Documented at arrow.apache.org/docs/python/ipc.html."""

    OPEN = staticmethod(pa.ipc.new_stream)


def avro_decimal(precision, scale):
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


TEXTS = {"type": "array", "items": ["null", "string"]}
PRIMITIVE = {"int64": "long", "boolean": "boolean", "float64": "double", "float32": "float", "bytes": "bytes"}


class Avro(Format, name="avro", file="orders.avro", plain=True):
    """fastavro with the logical types of Avro 1.11; unsigned integers, which it does not have, are decimals. Documented
    at avro.apache.org/docs/1.11.1/specification."""

    COLUMNS = declared(total="decimal(20,0)", payload="text")
    NOTES = {"created": "local-timestamp-micros", "updated": "timestamp-micros"}
    AVRO = PRIMITIVE | {
        "int32": "int",
        "decimal(12,2)": avro_decimal(12, 2),
        "decimal(30,12)": avro_decimal(30, 12),
        "uint64": avro_decimal(20, 0),
        "date": {"type": "int", "logicalType": "date"},
        "time": {"type": "long", "logicalType": "time-micros"},
        "timestamp": {"type": "long", "logicalType": "local-timestamp-micros"},
        "timestamptz": {"type": "long", "logicalType": "timestamp-micros"},
        "uuid": {"type": "string", "logicalType": "uuid"},
        "list<text>": TEXTS,
        "enum": {"type": "enum", "name": "kinds", "symbols": KINDS},
    }
    VALUES = {"uint64": Decimal}

    def field(self, column):
        kind = self.AVRO.get(TYPES[column], "string")
        return {"name": column, "type": kind if column == "id" else ["null", kind]}

    def write(self, rows, path):
        fields = [self.field(column) for column in self.COLUMNS]
        schema = fastavro.parse_schema({"type": "record", "name": "orders", "namespace": "shop", "fields": fields})
        records = [{column: self.form(self.VALUES, column, value) for column, value in row.items()} for row in rows]
        marker = hashlib.md5(self.NAME.encode()).digest()
        with path.open("wb") as file:
            fastavro.writer(file, schema, records, codec="deflate", sync_marker=marker)


def rfc3339(moment):
    digits = f".{moment.microsecond * 1000:09}" if moment.microsecond else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{digits}Z"


class SpannerAvro(Avro, name="spanner-avro", file="orders.avro-00000-of-00001", plain=False):
    """Dataflow's "Cloud Spanner to Cloud Storage Avro": DATE, TIMESTAMP (nine digits), and JSON are strings, NUMERIC is
    bytes with decimal(38,9), `sqlType` names each type, and manifests have the MD5 sums. See SpannerRecordConverter and
    DdlToAvroSchemaConverter in v1 of github.com/GoogleCloudPlatform/DataflowTemplates."""

    COLUMNS = declared(
        quantity="int64", total="decimal(38,9)", price="decimal(38,9)", rate="text", born="text", starts="text",
        created="text", updated="text", token="text", payload="text", kind="text",
    )
    NOTES = {"rate": "STRING, as NUMERIC has nine digits", "created": "STRING", "updated": "TIMESTAMP, as RFC 3339"}
    NUMERIC = avro_decimal(38, 9)
    AVRO = PRIMITIVE | {"int32": "long", "decimal(12,2)": NUMERIC, "uint64": NUMERIC, "list<text>": TEXTS}
    VALUES = {
        "uint64": Decimal,
        "rate": fixed,
        "date": dt.date.isoformat,
        "time": six_digits,
        "timestamp": lambda value: instant(value, 6, "T"),
        "timestamptz": rfc3339,
        "uuid": str,
        "json": lambda value: compact_json(json_value(value)),
    }
    SQL = {
        "id": "INT64", "active": "BOOL", "quantity": "INT64", "total": "NUMERIC", "price": "NUMERIC",
        "score": "FLOAT64", "ratio": "FLOAT32", "born": "DATE", "updated": "TIMESTAMP", "data": "BYTES(MAX)",
        "payload": "JSON", "tags": "ARRAY<STRING(MAX)>",
    }

    def field(self, column):
        return super().field(column) | {"sqlType": self.SQL.get(column, "STRING(MAX)")}

    def write(self, rows, path):
        super().write(rows, path)
        md5 = base64_text(hashlib.md5(path.read_bytes()).digest())
        tables = [{"name": "orders", "manifestFile": "orders-manifest.json"}]
        manifests = {
            "orders-manifest.json": {"files": [{"name": path.name, "md5": md5}]},
            "spanner-export.json": {"tables": tables, "dialect": "GOOGLE_STANDARD_SQL"},
        }
        for name, document in manifests.items():
            (path.parent / name).write_text(json.dumps(document))
