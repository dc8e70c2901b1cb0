"""Delimited text, as ten stores write it."""

import csv
import gzip
import io

from base import Format, declared
from forms import (
    BIGQUERY, array_text, clock, compact_json, fixed, float_text, instant, json_value, jsonb, lower, shortest, trimmed,
)
from table import float32


class Delimited(Format):
    """Fields between separators. `FORMS` turns values into text or bytes, and `field` frames them, or None for NULL."""

    FORMS = {}
    SEPARATOR = b","
    QUOTED_HEADER = False

    def write(self, rows, path):
        quote = '"' if self.QUOTED_HEADER else ""
        header = [f"{quote}{self.named(column)}{quote}".encode() for column in self.COLUMNS]
        lines = [[self.field(column, self.encoded(column, row[column])) for column in self.COLUMNS] for row in rows]
        content = b"".join(self.SEPARATOR.join(line) + b"\n" for line in ([header] if self.HEADER else []) + lines)
        path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)

    def encoded(self, column, value):
        form = self.form(self.FORMS, column, value)
        return form if form is None or isinstance(form, bytes) else str(form).encode()

    def field(self, _, form):
        """RFC 4180, and '' is quoted so that NULL can be empty."""
        if form is None:
            return b""
        return doubled(form) if not form or any(byte in form for byte in b',"\r\n') else form


def doubled(form):
    return b'"' + form.replace(b'"', b'""') + b'"'


def fifteen_digits(value):
    return f"{value:.15g}"


def six_digits(value):
    return f"{value:.6g}"


LOST_SCORE = ("15 digits", lambda value: float(fifteen_digits(value)) != value)
LOST_RATIO = ("6 digits", lambda value: float32(float(six_digits(value))) != value)
LOST_EMPTY = {column: ("'' is NULL", lambda value: not value) for column in ("code", "name", "data")}

POSTGRES = {
    "char": lambda value: value.ljust(6),
    "boolean": lambda value: "t" if value else "f",
    "decimal": fixed,
    "float64": float_text,
    "float32": lambda value: float_text(value, highest=6, single=True),
    "time": lambda value: clock(value, "trimmed"),
    "timestamp": lambda value: instant(value, "trimmed"),
    "timestamptz": lambda value: instant(value, "trimmed") + "+00",
    "bytes": lambda value: "\\x" + value.hex(),
    "json": jsonb,
    "list<text>": array_text,
}


class PostgresCsv(Delimited, name="postgres-csv", file="orders.csv", header=True):
    """`COPY orders TO … (FORMAT csv, HEADER)`, with the default settings, and UTC. NULL is empty, '' is quoted, CHAR is
    padded. Compared byte by byte with PostgreSQL 15; documented at postgresql.org/docs/15/sql-copy.html."""

    FORMS = POSTGRES


class PostgresText(PostgresCsv, name="postgres-text", file="orders.tsv", header=False):
    """`COPY orders TO …`: TAB, `\\N`, C escapes, no header. Compared byte by byte with PostgreSQL 15; documented at
    postgresql.org/docs/15/sql-copy.html."""

    SEPARATOR = b"\t"
    LETTERS = {b"\b": b"b", b"\f": b"f", b"\n": b"n", b"\r": b"r", b"\t": b"t", b"\v": b"v"}

    def field(self, _, form):
        if form is None:
            return b"\\N"
        for byte, letter in {b"\\": b"\\", **self.LETTERS}.items():
            form = form.replace(byte, b"\\" + letter)
        return form


class CloudSqlPostgres(PostgresCsv, name="cloudsql-postgres", header=False):
    """`gcloud sql export csv` of PostgreSQL: COPY's CSV, without a header. Documented at
    cloud.google.com/sql/docs/postgres/import-export/import-export-csv."""


class RedshiftCsv(PostgresCsv, name="redshift-csv", file="orders_0000_part_00.csv"):
    """`UNLOAD … FORMAT CSV HEADER`: PostgreSQL's forms, but text is VARCHAR, SUPER is compact JSON, VARBYTE is hex, and
    floats have 15 and 6 digits. Documented at docs.aws.amazon.com/redshift/latest/dg/r_UNLOAD.html."""

    FORMS = POSTGRES | {
        "char": str,
        "float64": fifteen_digits,
        "float32": six_digits,
        "bytes": bytes.hex,
        "json": lambda value: compact_json(json_value(value)),
        "list<text>": compact_json,
    }
    COLUMNS = declared(tags="json", total="decimal(20,0)")
    NOTES = {"data": "hex without a prefix", "token": "VARCHAR(36)"}
    LOST = {"score": LOST_SCORE, "ratio": LOST_RATIO}


def mysql_float(value):
    """MariaDB has no -0: it stores and writes 0."""
    return float_text(value + 0.0, lowest=-15, plus="", pad=1)


class MysqlTab(Delimited, name="mysql-tab", file="orders.txt", header=False):
    """`mysqldump --tab`: TAB, `\\N`, no header. Backslash, TAB, and line feed come as they are after a backslash, NUL
    is `\\0`, and CR has no escape. Binary columns are raw, so the file is not UTF-8. Compared byte by byte with MariaDB
    10.11; documented at dev.mysql.com/doc/refman/8.0/en/select-into.html."""

    SEPARATOR = b"\t"
    FORMS = {
        "boolean": int,
        "decimal": fixed,
        "float64": mysql_float,
        "float32": lambda value: mysql_float(float(six_digits(value))),
        "time": lambda value: clock(value, 6),
        "timestamp": lambda value: instant(value, 6),
        "timestamptz": lambda value: instant(value, 6),
        "uuid": lambda value: value.bytes,
        "list<text>": compact_json,
    }
    COLUMNS = declared(active="tinyint(1)", token="binary(16)", tags="json")
    NOTES = {
        "active": "0 and 1",
        "ratio": "FLOAT has six digits in text",
        "updated": "TIMESTAMP, in the time zone of the session, here UTC",
        "token": "raw bytes in RFC 9562 order",
        "data": "raw bytes",
        "payload": "as MariaDB keeps it; MySQL would sort the keys",
        "tags": "JSON",
    }
    LOST = {"ratio": LOST_RATIO}

    def field(self, _, form):
        return b"\\N" if form is None else self.escaped(form, b"\\", b"\\\t\n\x00")

    @staticmethod
    def escaped(form, escape, special):
        """The form with `escape` before every special byte; NUL becomes the digit 0."""
        pairs = {byte: escape + (bytes([byte]) if byte else b"0") for byte in special}
        return b"".join(pairs.get(byte) or bytes([byte]) for byte in form)


class MysqlOutfile(MysqlTab, name="mysql-outfile", file="orders.csv"):
    """`SELECT … INTO OUTFILE … FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' ESCAPED BY '\\\\'`: all but numbers
    are enclosed, a quote is `\\"`, NULL is `\\N`. Compared byte by byte with MariaDB 10.11; documented at
    dev.mysql.com/doc/refman/8.0/en/select-into.html."""

    SEPARATOR = b","
    ESCAPE = b"\\"
    BARE = {"id", "active", "quantity", "total", "price", "rate", "score", "ratio"}

    def field(self, column, form):
        if form is None:
            return self.ESCAPE + b"N"
        return form if column in self.BARE else b'"' + self.escaped(form, self.ESCAPE, self.ESCAPE + b'"\n\x00') + b'"'


class CloudSqlMysql(MysqlOutfile, name="cloudsql-mysql"):
    """`gcloud sql export csv` of MySQL: INTO OUTFILE whose escape is the quote, so that NULL is `"N`, and a line feed
    has a quote before it. Not even LOAD DATA reads that back. The options are documented at
    cloud.google.com/sql/docs/mysql/import-export/import-export-csv; compared byte by byte with MariaDB's OUTFILE."""

    ESCAPE = b'"'
    NOTES = MysqlTab.NOTES | {"*": 'NULL is "N; a line feed has a quote before it, and a zero byte is "0'}


class Mydumper(MysqlOutfile, name="mydumper", file="shop.orders.00000.dat"):
    """`mydumper --csv`: `\\N`, and all but SMALLINT, MEDIUMINT, INT, and BIGINT is enclosed. Values pass
    mysql_real_escape_string, and commas get a backslash inside quotes as well. MariaDB's LOAD DATA reads it. See
    `write_load_data_column_into_string` in src/mydumper/mydumper_write.c of github.com/mydumper/mydumper."""

    BARE = {"id", "quantity", "total"}

    @staticmethod
    def escaped(form, *_):
        letters = {0: b"\\0", 10: b"\\n", 13: b"\\r", 26: b"\\Z"} | {byte: b"\\%c" % byte for byte in b"\\'\","}
        return b"".join(letters.get(byte) or bytes([byte]) for byte in form)


class BigQueryCsv(Delimited, name="bigquery-csv", file="orders-000000000000.csv", header=True):
    """`bq extract` to CSV: a header, NULL empty, '' quoted, bytes in base64, NUMERIC without zeros at its end, instants
    with `UTC`; arrays cannot be exported. Documented at cloud.google.com/bigquery/docs/exporting-data, the forms under
    CAST AS STRING in its conversion functions."""

    FORMS = BIGQUERY
    COLUMNS = declared("tags", total="decimal(38,0)", ratio="float64")
    NOTES = {"data": "base64", "token": "STRING", "ratio": "a double of the float32", "code": "not padded"}


class SnowflakeCsv(Delimited, name="snowflake-csv", file="data_0_0_0.csv.gz", header=True):
    """`COPY INTO @stage … FILE_FORMAT = (TYPE = CSV COMPRESSION = GZIP FIELD_OPTIONALLY_ENCLOSED_BY = '"') HEADER =
    TRUE`: NULL is `\\N` outside quotes, text is always enclosed, names are upper-case, and the default output formats
    cut TIME to seconds and timestamps to milliseconds. Documented at docs.snowflake.com under COPY INTO <location>
    and "Date and time input and output formats"."""

    QUOTED_HEADER = UPPER = True
    FORMS = {
        "boolean": lower,
        "decimal": fixed,
        "float64": float_text,
        "float32": float_text,
        "time": lambda value: f"{value:%H:%M:%S}",
        "timestamp": lambda value: instant(value, 3),
        "timestamptz": lambda value: instant(value, 3) + " +0000",
        "bytes": lambda value: value.hex().upper(),
        "json": lambda value: compact_json(json_value(value)),
        "list<text>": compact_json,
    }
    COLUMNS = declared(total="decimal(20,0)", ratio="float64", tags="json")
    NOTES = {"data": "hex, upper-case", "token": "VARCHAR(36)", "ratio": "a double of the float32"}
    LOST = {
        "starts": ("cut to seconds", lambda value: value.microsecond),
        "created": ("cut to milliseconds", lambda value: value.microsecond % 1000),
        "updated": ("cut to milliseconds", lambda value: value.microsecond % 1000),
    }

    def field(self, column, form):
        if form is None:
            return b"\\N"
        return doubled(form) if column in ("code", "name", "token", "payload", "tags", "kind") else form


class DmsCsv(Delimited, name="dms-csv", file="public/orders/LOAD00000001.csv", header=False):
    """AWS DMS to S3 as CSV, from PostgreSQL: no header, NULL is `NULL` without quotes, and so is a text of these four
    letters; quotes where RFC 4180 needs them; instants in UTC without a zone. Documented at
    docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html (CsvNullValue, Rfc4180, AddColumnName)."""

    FORMS = POSTGRES | {
        "char": str,
        "boolean": lower,
        "time": lambda value: clock(value, 6),
        "timestamp": lambda value: instant(value, 6),
        "timestamptz": lambda value: instant(value, 6),
        "bytes": bytes.hex,
    }
    NOTES = {"data": "hex without a prefix", "updated": "UTC, without a zone", "tags": "PostgreSQL's text"}
    LOST = {"name": ("reads as NULL", lambda value: value == "NULL")}

    def field(self, column, form):
        return b"NULL" if form is None else super().field(column, form) if form else b""


class DmsCsvOp(DmsCsv, name="dms-csv-op"):
    """AWS DMS to S3 with IncludeOpForFullLoad: `I` for an insert is the first column. Documented at
    docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html."""

    COLUMNS = {"Op": "text"} | declared()
    NOTES = DmsCsv.NOTES | {"Op": "I, U, or D"}

    def write(self, rows, path):
        super().write([{"Op": "I", **row} for row in rows], path)

    def encoded(self, column, value):
        return b"I" if column == "Op" else super().encoded(column, value)


def oracle_float(value):
    """BINARY_DOUBLE as TO_CHAR prints it; -0 is 0 in Oracle."""
    if value == 0:
        return "0"
    exact = shortest(value).normalize()
    digits = fixed(exact.scaleb(-exact.adjusted()))
    digits = digits if "." in digits else digits + ".0"
    return f"{digits}E{'-' if exact.adjusted() < 0 else '+'}{abs(exact.adjusted()):03}"


def oracle_number(value):
    """NUMBER has no zero before its point, and none at its end."""
    return trimmed(value).replace("0.", ".", 1) if abs(value) < 1 and value else trimmed(value)


class OracleCsv(Delimited, name="oracle-csv", file="orders.csv", header=True):
    """SQLcl's `SET SQLFORMAT CSV`: a quoted upper-case header, text enclosed, also where it is NULL, since '' is NULL;
    CHAR is padded, booleans are Y and N, DATE has a time, NUMBER is written `.5`, RAW in upper-case hex. NLS formats
    are set to ISO. Documented in Oracle's SQL Language Reference under Data Types and Format Models; no arrays."""

    QUOTED_HEADER = UPPER = True
    FORMS = {
        "char": lambda value: value.ljust(6) if value else value,
        "boolean": lambda value: "Y" if value else "N",
        "decimal": oracle_number,
        "float64": oracle_float,
        "float32": lambda value: oracle_float(float(shortest(value, single=True))),
        "date": lambda value: f"{value.isoformat()} 00:00:00",
        "time": lambda value: clock(value, 6),
        "timestamp": lambda value: instant(value, 6),
        "timestamptz": lambda value: instant(value, 6) + " +00:00",
        "uuid": lambda value: value.hex.upper(),
        "bytes": lambda value: value.hex().upper(),
    }
    COLUMNS = declared(
        "tags", active="char(1)", total="decimal(20,0)", born="timestamp", starts="text", token="binary(16)",
        payload="text",
    )
    NOTES = {"active": "Y and N", "born": "DATE has a time", "starts": "VARCHAR2", "token": "hex", "data": "hex"}
    LOST = LOST_EMPTY
    ENCLOSED = {"code", "name", "active", "starts", "token", "data", "payload", "kind"}

    def field(self, column, form):
        return doubled(form or b"") if column in self.ENCLOSED else form or b""


class Csv(Format, name="csv", file="orders.csv", header=True, plain=True):
    """Python's csv.writer with its defaults: CRLF, NULL and '' both empty, bytes in hex by the program, all else by
    `str`. Documented at docs.python.org/3/library/csv.html."""

    FORMS = {"bytes": bytes.hex, "list<text>": compact_json, "decimal": fixed}
    COLUMNS = declared(ratio="float64", tags="json")
    NOTES = {"active": "True and False", "ratio": "a double of the float32", "data": "hex", "tags": "JSON"}
    LOST = LOST_EMPTY

    def write(self, rows, path):
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(self.COLUMNS)
        writer.writerows([self.form(self.FORMS, column, value) for column, value in row.items()] for row in rows)
        path.write_bytes(text.getvalue().encode())
