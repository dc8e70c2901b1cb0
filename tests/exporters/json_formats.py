"""Documents: JSON as BigQuery, MongoDB, DynamoDB, and programs write it."""

import datetime as dt
import gzip
import hashlib
import json
import random
from decimal import Decimal

from base import Format, declared
from forms import BIGQUERY, base64_text, clock, fixed, float_text, instant, json_text, json_value, shortest, trimmed

EPOCH = dt.datetime(1970, 1, 1)


class Documents(Format):
    """A document a line. `VALUES` turns values into what `json_text` writes, and `ESCAPE` rewrites strings."""

    VALUES = {}
    ESCAPE = None

    def document(self, row):
        return {self.named(column): self.form(self.VALUES, column, row[column]) for column in self.COLUMNS}

    def line(self, row):
        return json_text(self.document(row), between=",", after=":", escape=self.ESCAPE)

    def content(self, rows):
        return "".join(self.line(row) + "\n" for row in rows).encode()

    def write(self, rows, path):
        path.write_bytes(self.content(rows))


class BigQueryJson(Documents, name="bigquery-json", file="orders-000000000000.json"):
    """`bq extract --destination_format NEWLINE_DELIMITED_JSON`: INT64 and NUMERIC are strings, `<`, `>`, and `&` are
    escaped, and a column that is NULL is absent. An array has no NULLs, and is never NULL itself. Documented at
    cloud.google.com/bigquery/docs/exporting-data."""

    COLUMNS = declared(total="decimal(38,0)", ratio="float64")
    NOTES = {"data": "base64", "payload": "a string", "*": "absent is NULL", "ratio": "a double of the float32"}
    VALUES = BIGQUERY | {
        **dict.fromkeys(["int64", "int32", "uint64", "date", "uuid"], str),
        "boolean": bool,
        "float64": float,
        "float32": float,
        "list<text>": lambda value: [item for item in value if item is not None],
    }

    @staticmethod
    def ESCAPE(quoted):
        return quoted.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")

    def document(self, row):
        found = super().document(row)
        return {column: value for column, value in found.items() if value is not None} | {"tags": found["tags"] or []}

    def lost(self, rows):
        nulls = [row["id"] for row in rows if row["tags"] is None or None in row["tags"]]
        return {"tags": {"why": "an array has no NULLs, and NULL is an empty array", "ids": nulls}}


def milliseconds(moment):
    return (moment.replace(tzinfo=None) - EPOCH) // dt.timedelta(milliseconds=1)


def midnight(date):
    return dt.datetime.combine(date, dt.time())


def canonical_date(moment):
    return {"$date": {"$numberLong": str(milliseconds(moment))}}


def relaxed_date(moment):
    """ISO 8601 from 1970 to 9999, the number of milliseconds elsewhere."""
    if milliseconds(moment) < 0:
        return canonical_date(moment)
    cut = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    return {"$date": instant(cut, "trimmed", "T") + "Z"}


def wrapped(kind):
    return lambda value: {kind: str(value)}


def binary(subtype):
    return lambda value: {"$binary": {"base64": base64_text(getattr(value, "bytes", value)), "subType": subtype}}


class GoFloat(float):
    """A double as the Go driver's `formatDouble` writes it: `0.1`, `-0.0`, `1.234567E+06`."""

    def __repr__(self):
        text = float_text(float(self), highest=6).upper()
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


class MongoCanonical(Documents, name="mongo-json-canonical", file="orders.json"):
    """`mongoexport --jsonFormat=canonical`: every number and date is wrapped, dates have milliseconds. `total` and
    decimals are Decimal128, UUIDs are binary of subtype 4, `payload` is an embedded document. A field that is NULL is
    null in one document, and absent in another. Documented at mongodb.com/docs/manual/reference/mongodb-extended-json;
    numbers and escapes are those of bson/bsonrw/extjson_writer.go in github.com/mongodb/mongo-go-driver."""

    COLUMNS = declared(ratio="float64")
    NOTES = {
        "*": "absent is NULL, and so is null", "ratio": "a double of the float32", "starts": "a string",
        "born": "midnight UTC", "created": "UTC", "payload": "an embedded document or array",
    }
    LOST = dict.fromkeys(["created", "updated"], ("cut to milliseconds", lambda value: value.microsecond % 1000))
    VALUES = {
        "int64": wrapped("$numberLong"),
        "int32": wrapped("$numberInt"),
        "uint64": wrapped("$numberDecimal"),
        "decimal": wrapped("$numberDecimal"),
        "float64": lambda value: {"$numberDouble": repr(GoFloat(value))},
        "float32": lambda value: {"$numberDouble": repr(GoFloat(value))},
        "date": lambda value: canonical_date(midnight(value)),
        "time": lambda value: clock(value, 6),
        "timestamp": canonical_date,
        "timestamptz": canonical_date,
        "uuid": binary("04"),
        "bytes": binary("00"),
        "json": lambda value: mongo_document(json_value(value), canonical=True),
    }

    @staticmethod
    def ESCAPE(quoted):
        return quoted.replace("\u2028", "\\u2028")

    def named(self, column):
        return "_id" if column == "id" else column

    def document(self, row):
        found = super().document(row)
        return {column: value for column, value in found.items() if value is not None or row["id"] % 2}


class MongoRelaxed(MongoCanonical, name="mongo-json-relaxed"):
    """`mongoexport`, whose default is relaxed: ints and doubles are plain numbers, and dates from 1970 on are ISO 8601
    with the digits that count. Documented at mongodb.com/docs/manual/reference/mongodb-extended-json; the digits of
    dates are those of `rfc3339Milli` in that writer."""

    VALUES = MongoCanonical.VALUES | {
        "int64": int,
        "int32": int,
        "float64": GoFloat,
        "float32": GoFloat,
        "date": lambda value: relaxed_date(midnight(value)),
        "timestamp": relaxed_date,
        "timestamptz": relaxed_date,
        "json": lambda value: mongo_document(json_value(value), canonical=False),
    }


def dynamo_float(value):
    """A number of DynamoDB ends at 1e126 and 1e-130: what is beyond has to be a string."""
    exact = shortest(value)
    within = exact.is_zero() or -130 <= exact.adjusted() <= 125
    return dynamo_attribute(exact if within else float_text(value))


def dynamo_attribute(value):
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int() | Decimal():
            return {"N": trimmed(Decimal(value))}
        case dict():
            return {"M": {key: dynamo_attribute(part) for key, part in value.items()}}
        case _:
            return {"L": [dynamo_attribute(part) for part in value]}


def dynamo_tags(items):
    """A set of strings where the items can be one, as sets are neither empty nor ordered; a list elsewhere."""
    is_set = items and None not in items and len(set(items)) == len(items)
    return {"SS": sorted(items)} if is_set else dynamo_attribute(items)


class DynamoDbJson(Documents, name="dynamodb-json"):
    """ExportTableToPointInTime: `{"Item": {…}}` a line, gzip, items and attributes in no order, and manifests with the
    counts and MD5 sums. Numbers lose the zeros at their end; an attribute that is NULL is absent in every other item.
    Documented at docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html."""

    EXPORT = "AWSDynamoDB/01700000000000-a1b2c3d4"
    FILE = f"{EXPORT}/data/q4hsuuyv5e2z5gkpmvgcrlmtoa.json.gz"
    NOTES = {
        "*": "absent is NULL; rows and attributes have no order", "data": "base64", "tags": "SS, sorted, or L",
        "score": "S where N cannot hold it", "payload": "M or L", "created": "ISO 8601", "updated": "ISO 8601 with Z",
    }
    LOST = {"tags": ("a set has no order", lambda value: "SS" in dynamo_tags(value) and sorted(value) != value)}
    VALUES = {
        **dict.fromkeys(["int64", "int32", "uint64", "decimal", "boolean", "text", "char", "enum"], dynamo_attribute),
        "float64": dynamo_float,
        "float32": lambda value: dynamo_attribute(shortest(value, single=True)),
        "date": wrapped("S"),
        "time": lambda value: {"S": clock(value, 6)},
        "timestamp": lambda value: {"S": instant(value, 6, "T")},
        "timestamptz": lambda value: {"S": instant(value, 6, "T") + "Z"},
        "uuid": wrapped("S"),
        "bytes": lambda value: {"B": base64_text(value)},
        "json": lambda value: dynamo_attribute(json_value(value)),
        "list<text>": dynamo_tags,
    }

    def document(self, row):
        found = super().document(row)
        columns = [column for column in found if found[column] is not None or row["id"] % 2]
        random.Random(row["id"]).shuffle(columns)
        return {"Item": {column: found[column] or dynamo_attribute(None) for column in columns}}

    def write(self, rows, path):
        content = gzip.compress(self.content(random.Random(len(rows)).sample(rows, k=len(rows))), mtime=0)
        path.write_bytes(content)
        files = {
            "itemCount": len(rows),
            "md5Checksum": base64_text(hashlib.md5(content).digest()),
            "etag": hashlib.md5(content).hexdigest() + "-1",
            "dataFileS3Key": self.FILE,
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
            (export / f"{name}.checksum").write_text(base64_text(hashlib.md5(text.encode()).digest()))


class NdJson(Documents, name="ndjson", file="orders.ndjson", plain=True):
    """Python's json.dumps a line: all that is not ASCII is escaped, decimals, times, and UUIDs are strings, bytes are
    base64, and `payload` is the document itself. Documented at docs.python.org/3/library/json.html."""

    COLUMNS = declared(ratio="float64")
    NOTES = {
        "data": "base64", "payload": "the document itself", "price": "a string", "rate": "a string",
        "ratio": "a double of the float32",
    }
    VALUES = {
        **dict.fromkeys(["date", "time", "timestamp", "timestamptz", "uuid"], str),
        "decimal": fixed,
        "bytes": base64_text,
        "json": json_value,
    }

    @staticmethod
    def ESCAPE(quoted):
        return json.dumps(json.loads(quoted))

    def line(self, row):
        return json_text(self.document(row), escape=self.ESCAPE)


class JsonArray(NdJson, name="json", file="orders.json"):
    """Python's json.dump of the list of all rows, with ensure_ascii=False. Documented at
    docs.python.org/3/library/json.html."""

    ESCAPE = None

    def content(self, rows):
        return json_text([self.document(row) for row in rows]).encode()
