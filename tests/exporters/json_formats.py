"""Documents: JSON as MongoDB, DynamoDB, BigQuery, and programs write it."""

import base64
import datetime as dt
import gzip
import hashlib
import json
import random
from decimal import Decimal

from base import Format, declared
from forms import clock, fixed, float_text, instant, json_text, json_value, shortest, trimmed
from table import TYPES

EPOCH = dt.datetime(1970, 1, 1)


class Documents(Format):
    """A document a line. `VALUES` turns values into what `json_text` writes, by type or by column."""

    VALUES = {}
    ESCAPE = None

    def document(self, row):
        return {self.name(column): self.value(column, row[column]) for column in self.COLUMNS}

    def value(self, column, value):
        if value is None:
            return None
        convert = self.VALUES.get(column) or self.VALUES.get(TYPES[column])
        return convert(value) if convert else value

    def line(self, row):
        return json_text(self.document(row), between=",", after=":", escape=self.ESCAPE)

    def write(self, rows, path):
        path.write_bytes("".join(self.line(row) + "\n" for row in rows).encode())


def markup_escaped(quoted):
    return quoted.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


class BigQueryJson(Documents):
    """`bq extract --destination_format NEWLINE_DELIMITED_JSON`: INT64 and NUMERIC are strings, `<`, `>`, and `&` are
    escaped, and a column that is NULL is absent. An array has no NULLs, and is never NULL itself. Documented at
    cloud.google.com/bigquery/docs/exporting-data."""

    NAME = "bigquery-json"
    FILE = "orders-000000000000.json"
    COLUMNS = declared(total="decimal(38,0)", ratio="float64")
    NOTES = {
        "data": "base64", "payload": "a string of JSON", "*": "absent is NULL", "ratio": "FLOAT64 of the float32",
    }
    LOST = {"tags": ("arrays have no NULLs", lambda value: None in value)}
    ESCAPE = staticmethod(markup_escaped)
    VALUES = Format.BIGQUERY | {
        "boolean": bool,
        "int64": str,
        "int32": str,
        "uint64": str,
        "float64": lambda value: value,
        "float32": lambda value: float(shortest(value, single=True)),
        "date": dt.date.isoformat,
        "uuid": str,
        "list<text>": lambda value: [item for item in value if item is not None],
    }

    def document(self, row):
        found = super().document(row)
        return {column: value for column, value in found.items() if value is not None} | {"tags": found["tags"] or []}

    def lost(self, rows):
        nulls = [row["id"] for row in rows if row["tags"] is None or None in row["tags"]]
        return {"tags": {"why": "an array has no NULLs, and NULL is an empty array", "ids": nulls}}


def milliseconds(moment):
    return (moment.replace(tzinfo=None) - EPOCH) // dt.timedelta(milliseconds=1)


def go_float(number):
    """A double as the Go driver writes it: `0.1`, `-0.0`, `1E+300`."""
    text = repr(number).upper()
    return text if "." in text or "E" in text else text + ".0"


def mongo_document(value, canonical):
    """A part of an embedded document: whole numbers are ints, all others Decimal128, so that no digit is lost."""
    match value:
        case bool() | None | str():
            return value
        case dict():
            return {key: mongo_document(part, canonical) for key, part in value.items()}
        case list():
            return [mongo_document(part, canonical) for part in value]
        case int() if -(2**63) <= value < 2**63:
            kind = "$numberInt" if -(2**31) <= value < 2**31 else "$numberLong"
            return {kind: str(value)} if canonical else value
        case _:
            return {"$numberDecimal": str(value)}


class Raw(float):
    """A float that JSON shows by the text that a store writes."""

    def __repr__(self):
        return go_float(float(self))


class MongoCanonical(Documents):
    """`mongoexport --jsonFormat=canonical`: every number and date is wrapped, dates have milliseconds. `total` and
    decimals are Decimal128, UUIDs are binary of subtype 4, `payload` is an embedded document. A field that is NULL is
    null in one document, and absent in another. Documented at
    mongodb.com/docs/manual/reference/mongodb-extended-json."""

    NAME = "mongo-json-canonical"
    FILE = "orders.json"
    COLUMNS = declared(ratio="float64")
    NOTES = {
        "id": "_id", "*": "absent is NULL, and so is null", "ratio": "a double of the float32", "starts": "a string",
        "born": "midnight UTC", "created": "UTC", "payload": "an embedded document, not all of which is an object",
    }
    LOST = {
        column: ("cut to milliseconds", lambda value: value.microsecond % 1000) for column in ("created", "updated")
    }
    CANONICAL = True
    VALUES = {
        "price": lambda value: {"$numberDecimal": fixed(value)},
        "rate": lambda value: {"$numberDecimal": str(value)},
        "total": lambda value: {"$numberDecimal": str(value)},
        "id": lambda value: {"$numberLong": str(value)},
        "quantity": lambda value: {"$numberInt": str(value)},
        "score": lambda value: {"$numberDouble": go_float(value)},
        "ratio": lambda value: {"$numberDouble": go_float(value)},
        "born": lambda value: {"$date": {"$numberLong": str(milliseconds(dt.datetime.combine(value, dt.time())))}},
        "starts": lambda value: clock(value, 6),
        "created": lambda value: {"$date": {"$numberLong": str(milliseconds(value))}},
        "updated": lambda value: {"$date": {"$numberLong": str(milliseconds(value))}},
        "token": lambda value: {"$binary": {"base64": base64.b64encode(value.bytes).decode(), "subType": "04"}},
        "data": lambda value: {"$binary": {"base64": base64.b64encode(value).decode(), "subType": "00"}},
        "payload": lambda value: mongo_document(json_value(value), canonical=True),
    }

    def name(self, column):
        return "_id" if column == "id" else column

    def document(self, row):
        found = super().document(row)
        return {column: value for column, value in found.items() if value is not None or row["id"] % 2}


def relaxed_date(moment):
    """ISO 8601 from 1970 to 9999, the number of milliseconds elsewhere."""
    since = milliseconds(moment)
    if since < 0:
        return {"$date": {"$numberLong": str(since)}}
    cut = moment.replace(tzinfo=None, microsecond=moment.microsecond // 1000 * 1000)
    return {"$date": instant(cut, "trimmed", "T") + "Z"}


class MongoRelaxed(MongoCanonical):
    """`mongoexport`, whose default is relaxed: ints and doubles are plain numbers, and dates from 1970 on are ISO 8601
    with the digits that count. Documented at mongodb.com/docs/manual/reference/mongodb-extended-json; the digits of
    dates are those of `rfc3339Milli` in github.com/mongodb/mongo-go-driver, bson/bsonrw."""

    NAME = "mongo-json-relaxed"
    VALUES = MongoCanonical.VALUES | {
        "id": int,
        "quantity": int,
        "score": Raw,
        "ratio": Raw,
        "born": lambda value: relaxed_date(dt.datetime.combine(value, dt.time())),
        "created": relaxed_date,
        "updated": relaxed_date,
        "payload": lambda value: mongo_document(json_value(value), canonical=False),
    }


def dynamo_number(value):
    return {"N": trimmed(Decimal(value) if isinstance(value, int) else value)}


def dynamo_float(value):
    """A number of DynamoDB ends at 1e126 and 1e-130: what is beyond has to be a string."""
    exact = shortest(value)
    within = exact.is_zero() or -130 <= exact.adjusted() <= 125
    return dynamo_number(exact) if within else {"S": float_text(value, -4, 15)}


def dynamo_attribute(value):
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int() | Decimal():
            return dynamo_number(value)
        case dict():
            return {"M": {key: dynamo_attribute(part) for key, part in value.items()}}
        case _:
            return {"L": [dynamo_attribute(part) for part in value]}


def dynamo_tags(items):
    """A set of strings where the items can be one, as sets are neither empty nor ordered; a list elsewhere."""
    is_set = items and None not in items and len(set(items)) == len(items)
    return {"SS": sorted(items)} if is_set else dynamo_attribute(items)


class DynamoDbJson(Documents):
    """ExportTableToPointInTime: `{"Item": {…}}` a line, gzip, items and attributes in no order, and manifests with the
    counts and MD5 sums. Numbers lose the zeros at their end; an attribute that is NULL is absent in every other item.
    Documented at docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html."""

    NAME = "dynamodb-json"
    EXPORT = "AWSDynamoDB/01700000000000-a1b2c3d4"
    FILE = f"{EXPORT}/data/q4hsuuyv5e2z5gkpmvgcrlmtoa.json.gz"
    NOTES = {
        "*": "absent is NULL; rows and attributes have no order", "data": "base64", "tags": "SS, sorted, or L",
        "score": "S where N cannot hold it", "payload": "M or L", "created": "ISO 8601", "updated": "ISO 8601 with Z",
    }
    LOST = {
        "tags": ("a set has no order", lambda value: "SS" in dynamo_tags(value) and sorted(value) != value),
    }
    VALUES = {
        "int64": dynamo_number, "int32": dynamo_number, "uint64": dynamo_number,
        "decimal(12,2)": dynamo_number, "decimal(30,12)": dynamo_number, "float64": dynamo_float,
        "float32": lambda value: dynamo_number(shortest(value, single=True)),
        "boolean": dynamo_attribute, "text": dynamo_attribute, "char(6)": dynamo_attribute, "enum": dynamo_attribute,
        "date": lambda value: {"S": value.isoformat()},
        "time": lambda value: {"S": clock(value, 6)},
        "timestamp": lambda value: {"S": instant(value, 6, "T")},
        "timestamptz": lambda value: {"S": instant(value, 6, "T") + "Z"},
        "uuid": lambda value: {"S": str(value)},
        "bytes": lambda value: {"B": base64.b64encode(value).decode()},
        "json": lambda value: dynamo_attribute(json_value(value)),
        "list<text>": dynamo_tags,
    }

    def document(self, row):
        found = super().document(row)
        columns = [column for column in found if found[column] is not None or row["id"] % 2]
        random.Random(row["id"]).shuffle(columns)
        return {"Item": {column: found[column] or {"NULL": True} for column in columns}}

    def write(self, rows, path):
        shuffled = random.Random(len(rows)).sample(rows, k=len(rows))
        content = gzip.compress("".join(self.line(row) + "\n" for row in shuffled).encode(), mtime=0)
        path.write_bytes(content)
        files = {
            "itemCount": len(rows),
            "md5Checksum": base64.b64encode(hashlib.md5(content).digest()).decode(),
            "etag": hashlib.md5(content).hexdigest() + "-1",
            "dataFileS3Key": f"{self.EXPORT}/data/{path.name}",
        }
        summary = {
            "version": "2020-06-30", "exportTime": "2026-01-01T00:00:00.000Z", "itemCount": len(rows),
            "manifestFilesS3Key": f"{self.EXPORT}/manifest-files.json", "outputFormat": "DYNAMODB_JSON",
        }
        export = path.parent.parent
        (export / "_started").touch()
        for name, document in {"manifest-files": files, "manifest-summary": summary}.items():
            text = json.dumps(document)
            (export / f"{name}.json").write_text(text)
            (export / f"{name}.checksum").write_text(base64.b64encode(hashlib.md5(text.encode()).digest()).decode())


class NdJson(Documents):
    """Python's json.dumps a line: all that is not ASCII is escaped, decimals, times, and UUIDs are strings, bytes are
    base64, and `payload` is the document itself. Documented at docs.python.org/3/library/json.html."""

    NAME = "ndjson"
    PLAIN = True
    FILE = "orders.ndjson"
    NOTES = {"data": "base64", "payload": "the document itself", "price": "a string", "rate": "a string"}
    VALUES = {
        "decimal(12,2)": fixed, "decimal(30,12)": fixed, "date": str, "time": str, "timestamp": str, "timestamptz": str,
        "uuid": str, "float32": lambda value: float(shortest(value, single=True)),
        "bytes": lambda value: base64.b64encode(value).decode(),
        "json": json_value,
    }

    @staticmethod
    def ESCAPE(quoted):
        return json.dumps(json.loads(quoted))

    def line(self, row):
        return json_text(self.document(row), escape=self.ESCAPE)


class JsonArray(NdJson):
    """Python's json.dump of the list of all rows, with ensure_ascii=False. Documented at
    docs.python.org/3/library/json.html."""

    NAME = "json"
    FILE = "orders.json"
    ESCAPE = None

    def write(self, rows, path):
        path.write_bytes(json_text([self.document(row) for row in rows]).encode())
