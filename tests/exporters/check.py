"""Reads what make.py and servers.py wrote with readers that had no part in it, and compares each value with the table.

    check.py DIR [--rows N] [--seed S] [--defects]

The arguments are those that make.py had. What a format's manifest lists as lost is not compared. Where a real server
wrote the same format, both files have to be the same, byte by byte.
"""

import base64
import csv
import datetime as dt
import gzip
import io
import json
import re
import sys
import uuid
from decimal import Decimal

import duckdb
import fastavro
import pyarrow as pa
import pyarrow.parquet as pq

import make
from forms import array_text, json_value
from table import TYPES, float32

NULL_TEXT = {"snowflake-csv": "\\N", "dms-csv": "NULL", "dms-csv-op": "NULL"}
# nothing reads it: NULL and a text, an escaped line feed and the end of a row can be the same bytes
BYTES_ONLY = "cloudsql-mysql"
# readers without a NULL beside the empty text
EMPTY_IS_NULL = {"csv", "oracle-csv"}
DOCUMENTS = {"ndjson", "json", "mongo-json-canonical", "mongo-json-relaxed", "dynamodb-json"}


def read_csv(name, entry, path):
    """By DuckDB, which tells an empty field from a quoted one, or by Python."""
    if name in EMPTY_IS_NULL:
        with path.open(newline="", encoding="utf-8") as file:
            return [{column: value or None for column, value in row.items()} for row in csv.DictReader(file)]
    columns = dict.fromkeys(entry["columns"], "VARCHAR")
    query = (
        "SELECT * FROM read_csv($1, columns = $2, header = $3, nullstr = $4, allow_quoted_nulls = false, quote = '\"',"
        " escape = '\"', delim = ',', strict_mode = true, auto_detect = false)"
    )
    with duckdb.connect() as db:
        rows = db.execute(query, [str(path), columns, entry["header"], NULL_TEXT.get(name, "")]).fetchall()
    return [dict(zip(columns, row)) for row in rows]


def read_escaped(name, entry, path):
    """By the rules of MySQL's LOAD DATA, or of PostgreSQL's COPY."""
    is_postgres = "postgres" in name
    letters = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b"}
    letters |= {b"v": b"\v", b"f": b"\f"} if is_postgres else {b"0": b"\0", b"Z": b"\x1a"}
    plain = rb"((?:[^\t\n\\]|\\.)*)[\t\n]" if path.suffix in (".tsv", ".txt") else None
    pattern = plain or rb'("(?:[^"\\]|\\.)*"|(?:[^",\n\\]|\\.)*)[,\n]'
    fields = []
    for field in re.findall(pattern, path.read_bytes(), re.DOTALL):
        inner = field if plain or not field.startswith(b'"') else field[1:-1]
        cell = re.sub(rb"\\(.)", lambda escape: letters.get(escape[1], escape[1]), inner, flags=re.DOTALL)
        fields.append(None if field == b"\\N" else cell)
    columns, width = entry["columns"], len(entry["columns"])
    rows = [dict(zip(columns, fields[at : at + width], strict=True)) for at in range(0, len(fields), width)]
    for row in rows:
        for column in columns:
            if row[column] is not None and (is_postgres or column not in ("token", "data")):
                row[column] = row[column].decode()
    return rows


def unwrapped(value):
    """A value of MongoDB or DynamoDB without its wrapper."""
    if isinstance(value, list):
        return [unwrapped(item) for item in value]
    if not isinstance(value, dict) or len(value) != 1:
        return {key: unwrapped(item) for key, item in value.items()} if isinstance(value, dict) else value
    (kind, inner), = value.items()
    match kind:
        case "$numberInt" | "$numberLong" | "$numberDecimal" | "N":
            return Decimal(inner)
        case "$numberDouble":
            return float(inner)
        case "$date":
            since = unwrapped(inner)
            is_text = isinstance(since, str)
            return since if is_text else dt.datetime(1970, 1, 1) + dt.timedelta(milliseconds=int(since))
        case "$binary":
            return inner["base64"]
        case "NULL":
            return None
        case "S" | "B" | "BOOL" | "SS":
            return inner
        case "L":
            return [unwrapped(item) for item in inner]
        case "M":
            return {key: unwrapped(item) for key, item in inner.items()}
    return {kind: unwrapped(inner)}


def read_json(name, entry, path):
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    documents = json_value(text) if name == "json" else [json_value(line) for line in text.split("\n") if line]
    documents = [document.get("Item", document) for document in documents]
    rows = [{key: unwrapped(value) for key, value in document.items()} for document in documents]
    return sorted(rows, key=lambda row: int(row[entry["columns"][0]]))


def read_parquet(name, _, path):
    """By DuckDB, and what DuckDB wrote by pyarrow, which also knows durations."""
    if name == "duckdb" or name.startswith("real-"):
        return pq.read_table(path).to_pylist()
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        return db.execute("SELECT * FROM read_parquet(?)", [str(path)]).to_arrow_table().to_pylist()


def read_ipc(_name, _entry, path):
    opened = pa.ipc.open_file if path.suffix == ".arrow" else pa.ipc.open_stream
    return opened(path.read_bytes()).read_all().to_pylist()


def read_avro(_name, _entry, path):
    return list(fastavro.reader(io.BytesIO(path.read_bytes())))


ESCAPED = {"postgres-text", "mysql-tab", "mysql-outfile", "mydumper"}
READERS = {".csv": read_csv, ".parquet": read_parquet, "json": read_json, ".arrow": read_ipc, ".avro": read_avro}


def parsed_moment(text):
    for end in (" UTC", " +0000", " +00:00", "+00", "Z"):
        text = text.removesuffix(end)
    return dt.datetime.fromisoformat(text)


def parsed_bytes(name, note, read):
    if isinstance(read, bytes):
        return read
    is_base64 = name.startswith("mongo") or "base64" in note
    return base64.b64decode(read, validate=True) if is_base64 else bytes.fromhex(read.removeprefix("\\x"))


def parsed(name, column, note, read):
    """The value that a reader found, as the table has it."""
    kind = TYPES[column]
    match kind:
        case "boolean":
            return str(read).lower() in ("t", "true", "1", "1.0", "y")
        case "int64" | "int32" | "uint64" | "decimal(12,2)" | "decimal(30,12)":
            return Decimal(read) if isinstance(read, float) else Decimal(str(read))
        case "float64":
            return float(read)
        case "float32":
            return float32(float(read))
        case "date":
            return parsed_moment(str(read)).date()
        case "time":
            is_duration = isinstance(read, dt.timedelta)
            return (dt.datetime.min + read).time() if is_duration else dt.time.fromisoformat(str(read))
        case "timestamp" | "timestamptz":
            found = parsed_moment(read) if isinstance(read, str) else read
            return found.replace(tzinfo=dt.UTC if kind == "timestamptz" else None)
        case "uuid":
            read = parsed_bytes(name, note, read) if name.startswith("mongo") else read
            return uuid.UUID(bytes=read) if isinstance(read, bytes) else uuid.UUID(str(read))
        case "bytes":
            return parsed_bytes(name, note, read)
        case "json" if name not in DOCUMENTS:
            return json_value(read)
        case "list<text>" if isinstance(read, str) and not read.startswith("{"):
            return json.loads(read)
        case "char(6)":
            return (read.decode() if isinstance(read, bytes) else read).rstrip(" ")
    return read


def expected(column, value, found):
    match TYPES[column]:
        case "json":
            return json_value(value)
        case "list<text>" if isinstance(found, str):
            return array_text(value)
        case "char(6)":
            return value.rstrip(" ")
    return value


def wrong(name, entry, rows, path):
    """What differs in a file, a line each."""
    reader = next((reader for part, reader in READERS.items() if part in path.name), read_escaped)
    read = (read_escaped if name.removeprefix("real-") in ESCAPED else reader)(name, entry, path)
    if len(read) != len(rows):
        return [f"{len(read)} rows instead of {len(rows)}"]
    found = []
    named = {"id" if column == "_id" else column.lower(): column for column in entry["columns"]}
    for column in named.keys() & TYPES.keys():
        lost = entry["lost"].get(named[column], {}).get("ids", [])
        note = entry["notes"].get(named[column], "")
        for row, cells in zip(rows, read):
            value, cell = row[column], cells.get(named[column])
            if row["id"] in lost:
                continue
            if value is not None and cell is not None:
                cell = parsed(name, column, note, cell)
                value = expected(column, value, cell)
            if cell != value:
                found.append(f"{column} of {row['id']} is {cell!r} and not {value!r}")
    return found


def main():
    args = make.arguments(__doc__)
    rows, _ = make.table_of(args)
    manifest = json.loads((args.directory / "manifest.json").read_bytes())
    manifest.pop("defects")
    failed = False
    for name, entry in manifest.items():
        path = args.directory / entry["path"]
        found = [] if name.removeprefix("real-") == BYTES_ONLY else wrong(name, entry, rows, path)
        imitation = manifest.get(name.removeprefix("real-"))
        if imitation and (args.directory / imitation["path"]).read_bytes() != path.read_bytes():
            found.append("the imitation has other bytes")
        failed |= bool(found)
        print(f"{name}: {'; '.join(found[:3]) or 'ok'}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
