"""Delimited text, as ten stores write it."""

import csv
import gzip
import io

from forms import (
    array_text, clock, compact_json, fixed, float_text, instant, json_value, jsonb, shortest, trimmed,
)
from base import Format, declared
from table import TYPES, float32


class Delimited(Format):
    """Fields between separators. A store has a form for each type in `FORMS`, which may be bytes, and `field` frames
    the form of a value, or None for NULL."""

    FORMS = {}
    SEPARATOR = b","
    QUOTED_HEADER = False

    def write(self, rows, path):
        quote = '"' if self.QUOTED_HEADER else ""
        header = [f"{quote}{self.name(column)}{quote}".encode() for column in self.COLUMNS]
        lines = [[self.field(column, self.form(column, row[column])) for column in self.COLUMNS] for row in rows]
        content = b"".join(self.SEPARATOR.join(line) + b"\n" for line in ([header] if self.HEADER else []) + lines)
        path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)

    def form(self, column, value):
        if value is None:
            return None
        form = self.FORMS.get(column) or self.FORMS.get(TYPES[column], str)
        form = form(value)
        return form if isinstance(form, bytes) else form.encode()


def doubled(form):
    return b'"' + form.replace(b'"', b'""') + b'"'


def quoted_if_needed(form):
    """RFC 4180, and '' is quoted so that NULL can be empty."""
    return doubled(form) if not form or any(byte in form for byte in b',"\r\n') else form


# PostgreSQL

POSTGRES = {
    "char(6)": lambda value: value.ljust(6),
    "boolean": lambda value: "t" if value else "f",
    "decimal(12,2)": fixed,
    "decimal(30,12)": fixed,
    "float64": lambda value: float_text(value, -4, 15),
    "float32": lambda value: float_text(value, -4, 6, single=True),
    "time": lambda value: clock(value, "trimmed"),
    "timestamp": lambda value: instant(value, "trimmed"),
    "timestamptz": lambda value: instant(value, "trimmed") + "+00",
    "bytes": lambda value: "\\x" + value.hex(),
    "json": jsonb,
    "list<text>": array_text,
}


class PostgresCsv(Delimited):
    """`COPY orders TO … (FORMAT csv, HEADER)`, with the default extra_float_digits and DateStyle, and the time zone UTC.
    NULL is empty, '' is quoted; CHAR is padded. Compared byte by byte with PostgreSQL 15 by check.py; documented at
    postgresql.org/docs/15/sql-copy.html."""

    NAME = "postgres-csv"
    FILE = "orders.csv"
    HEADER = True
    FORMS = POSTGRES
    COLUMNS = declared()

    def field(self, column, form):
        return b"" if form is None else quoted_if_needed(form)


class PostgresText(PostgresCsv):
    """`COPY orders TO …`: TAB, `\\N`, C escapes, no header. Compared byte by byte with PostgreSQL 15 by check.py;
    documented at postgresql.org/docs/15/sql-copy.html."""

    NAME = "postgres-text"
    FILE = "orders.tsv"
    HEADER = False
    SEPARATOR = b"\t"
    ESCAPES = {b"\\": b"\\\\", b"\b": b"\\b", b"\f": b"\\f", b"\n": b"\\n", b"\r": b"\\r", b"\t": b"\\t", b"\v": b"\\v"}

    def field(self, column, form):
        if form is None:
            return b"\\N"
        for byte, escape in self.ESCAPES.items():
            form = form.replace(byte, escape)
        return form


class CloudSqlPostgres(PostgresCsv):
    """`gcloud sql export csv` of PostgreSQL: COPY's CSV, without a header. Documented at
    cloud.google.com/sql/docs/postgres/import-export/import-export-csv."""

    NAME = "cloudsql-postgres"
    HEADER = False


class RedshiftCsv(PostgresCsv):
    """`UNLOAD … FORMAT CSV HEADER`: PostgreSQL's forms, but text is VARCHAR, SUPER is compact JSON, VARBYTE is hex, and
    floats have 15 and 6 digits. Documented at docs.aws.amazon.com/redshift/latest/dg/r_UNLOAD.html, which advises
    Parquet for floats; file names too."""

    NAME = "redshift-csv"
    FILE = "orders_0000_part_00.csv"
    FORMS = POSTGRES | {
        "char(6)": str,
        "float64": lambda value: f"{value:.15g}",
        "float32": lambda value: f"{value:.6g}",
        "bytes": bytes.hex,
        "json": lambda value: compact_json(json_value(value)),
        "list<text>": compact_json,
    }
    COLUMNS = declared(tags="json", total="decimal(20,0)")
    NOTES = {"data": "hex without a prefix", "token": "VARCHAR(36)"}
    LOST = {
        "score": ("15 digits", lambda value: float(f"{value:.15g}") != value),
        "ratio": ("6 digits", lambda value: float32(float(f"{value:.6g}")) != value),
    }


# MySQL

def mysql_float(value):
    """MariaDB has no -0: it stores and writes 0."""
    return float_text(value + 0.0, -15, 15, plus="", pad=1)


MYSQL = {
    "char(6)": lambda value: value.rstrip(" "),
    "boolean": lambda value: "1" if value else "0",
    "decimal(12,2)": fixed,
    "decimal(30,12)": fixed,
    "float64": mysql_float,
    "float32": lambda value: mysql_float(float(f"{value:.6g}")),
    "time": lambda value: clock(value, 6),
    "timestamp": lambda value: instant(value, 6),
    "timestamptz": lambda value: instant(value, 6),
    "uuid": lambda value: value.bytes,
    "bytes": bytes,
    "list<text>": compact_json,
}
MYSQL_TYPES = {"active": "tinyint(1)", "token": "binary(16)", "tags": "json"}
MYSQL_NOTES = {
    "active": "0 and 1",
    "ratio": "FLOAT has six digits in text",
    "updated": "TIMESTAMP, in the time zone of the session, here UTC",
    "token": "raw bytes in RFC 9562 order",
    "data": "raw bytes",
    "payload": "as MariaDB keeps it; MySQL would sort the keys",
    "tags": "JSON text",
}
SIX_DIGITS = ("6 digits", lambda value: float32(float(f"{value:.6g}")) != value)
NUMBERS = {"id", "active", "quantity", "total", "price", "rate", "score", "ratio"}


def escaped(form, escape, special):
    """The form with `escape` before every special byte; NUL becomes the digit 0."""
    bytes_of = {0: b"0"}
    return b"".join(
        escape + bytes_of.get(byte, bytes([byte])) if byte in special else bytes([byte]) for byte in form
    )


class MysqlTab(Delimited):
    """`mysqldump --tab`: TAB, `\\N`, no header. Backslash, TAB, and line feed come as they are after a backslash, NUL is
    `\\0`, and CR has no escape. Binary columns are raw, so the file is not UTF-8. Compared byte by byte with MariaDB 10.11
    by check.py; documented at dev.mysql.com/doc/refman/8.0/en/select-into.html."""

    NAME = "mysql-tab"
    FILE = "orders.txt"
    HEADER = False
    SEPARATOR = b"\t"
    FORMS = MYSQL
    COLUMNS = declared(**MYSQL_TYPES)
    NOTES = MYSQL_NOTES
    LOST = {"ratio": SIX_DIGITS}

    def field(self, column, form):
        return b"\\N" if form is None else escaped(form, b"\\", b"\\\t\n\x00")


class MysqlOutfile(MysqlTab):
    """`SELECT … INTO OUTFILE … FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' ESCAPED BY '\\\\'`: all but numbers
    are enclosed, a quote is `\\"`, NULL is `\\N`. Compared byte by byte with MariaDB 10.11 by check.py; documented at
    dev.mysql.com/doc/refman/8.0/en/select-into.html."""

    NAME = "mysql-outfile"
    FILE = "orders.csv"
    SEPARATOR = b","
    ESCAPE = b"\\"

    def field(self, column, form):
        if form is None:
            return self.ESCAPE + b"N"
        return form if column in NUMBERS else b'"' + escaped(form, self.ESCAPE, self.ESCAPE + b'"\n\x00') + b'"'


class CloudSqlMysql(MysqlOutfile):
    """`gcloud sql export csv` of MySQL: INTO OUTFILE whose escape is the quote, so that NULL is `"N`, and a line feed has
    a quote before it. Not even LOAD DATA reads that back. The options are documented at
    cloud.google.com/sql/docs/mysql/import-export/import-export-csv; compared with MariaDB's OUTFILE by check.py."""

    NAME = "cloudsql-mysql"
    ESCAPE = b'"'
    NOTES = MYSQL_NOTES | {"*": 'NULL is "N; a line feed has a quote before it, and a zero byte is "0'}


class Mydumper(MysqlTab):
    """`mydumper --csv`: `<database>.<table>.<part>.dat` with `\\N`; types but SMALLINT, MEDIUMINT, INT, and BIGINT are
    enclosed. Values pass mysql_real_escape_string, and commas get a backslash inside quotes as well. MariaDB's LOAD DATA
    reads it. See `write_load_data_column_into_string` in src/mydumper/mydumper_write.c of github.com/mydumper/mydumper."""

    NAME = "mydumper"
    FILE = "shop.orders.00000.dat"
    SEPARATOR = b","
    ESCAPES = {0: b"\\0", 10: b"\\n", 13: b"\\r", 26: b"\\Z"} | {byte: b"\\" + bytes([byte]) for byte in b"\\'\","}

    def field(self, column, form):
        if form is None:
            return b"\\N"
        if column in ("id", "quantity", "total"):
            return form
        return b'"' + b"".join(self.ESCAPES.get(byte, bytes([byte])) for byte in form) + b'"'


# warehouses

class BigQueryCsv(Delimited):
    """`bq extract` to CSV: a header, NULL empty, '' quoted, bytes in base64, NUMERIC without zeros at its end, instants
    with `UTC`; arrays cannot be exported. Documented at cloud.google.com/bigquery/docs/exporting-data, the forms under
    CAST AS STRING in its conversion functions."""

    NAME = "bigquery-csv"
    FILE = "orders-000000000000.csv"
    HEADER = True
    FORMS = Format.BIGQUERY
    COLUMNS = declared("tags", total="decimal(38,0)", ratio="float64")
    NOTES = {"data": "base64", "token": "STRING", "ratio": "FLOAT64 of the float32", "code": "STRING(6), not padded"}

    def field(self, column, form):
        return b"" if form is None else quoted_if_needed(form)


class SnowflakeCsv(Delimited):
    """`COPY INTO @stage … FILE_FORMAT = (TYPE = CSV COMPRESSION = GZIP FIELD_OPTIONALLY_ENCLOSED_BY = '"') HEADER =
    TRUE`: NULL is `\\N` outside quotes, text is always enclosed, names are upper-case, and the default output formats
    cut TIME to seconds and timestamps to milliseconds. Documented at docs.snowflake.com under COPY INTO <location>
    and "Date and time input and output formats"."""

    NAME = "snowflake-csv"
    FILE = "data_0_0_0.csv.gz"
    HEADER = True
    QUOTED_HEADER = True
    UPPER = True
    FORMS = {
        "boolean": lambda value: str(value).lower(),
        "decimal(12,2)": fixed,
        "decimal(30,12)": fixed,
        "float64": lambda value: float_text(value, -4, 15),
        "float32": lambda value: float_text(value, -4, 15),
        "time": lambda value: f"{value:%H:%M:%S}",
        "timestamp": lambda value: instant(value, 3),
        "timestamptz": lambda value: instant(value, 3) + " +0000",
        "bytes": lambda value: value.hex().upper(),
        "json": lambda value: compact_json(json_value(value)),
        "list<text>": compact_json,
    }
    COLUMNS = declared(total="decimal(20,0)", ratio="float64", tags="json")
    NOTES = {"data": "hex, upper-case", "token": "VARCHAR(36)", "ratio": "FLOAT, a double of the float32"}
    LOST = {
        "starts": ("cut to seconds", lambda value: value.microsecond),
        "created": ("cut to milliseconds", lambda value: value.microsecond % 1000),
        "updated": ("cut to milliseconds", lambda value: value.microsecond % 1000),
    }

    def field(self, column, form):
        if form is None:
            return b"\\N"
        return doubled(form) if column in ("code", "name", "token", "payload", "tags", "kind") else form


class DmsCsv(Delimited):
    """AWS DMS to S3 as CSV, from PostgreSQL: no header, NULL is `NULL` without quotes, and so is a text of these four
    letters; quotes where RFC 4180 needs them; instants in UTC without a zone. Documented at
    docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html (CsvNullValue, Rfc4180, AddColumnName)."""

    NAME = "dms-csv"
    FILE = "public/orders/LOAD00000001.csv"
    HEADER = False
    FORMS = POSTGRES | {
        "char(6)": str,
        "boolean": lambda value: str(value).lower(),
        "time": lambda value: clock(value, 6),
        "timestamp": lambda value: instant(value, 6),
        "timestamptz": lambda value: instant(value, 6),
        "bytes": bytes.hex,
    }
    COLUMNS = declared()
    NOTES = {"data": "hex without a prefix", "updated": "UTC, without a zone", "tags": "PostgreSQL's text"}
    LOST = {"name": ("reads as NULL", lambda value: value == "NULL")}

    def field(self, column, form):
        return b"NULL" if form is None else quoted_if_needed(form) if form else b""


class DmsCsvOp(DmsCsv):
    """AWS DMS to S3 with IncludeOpForFullLoad: `I` for an insert is the first column. Documented at
    docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html."""

    NAME = "dms-csv-op"
    COLUMNS = {"Op": "text"} | declared()
    NOTES = DmsCsv.NOTES | {"Op": "I, U, or D"}

    def write(self, rows, path):
        super().write([{"Op": "I", **row} for row in rows], path)

    def form(self, column, value):
        return b"I" if column == "Op" else super().form(column, value)


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


class OracleCsv(Delimited):
    """SQLcl's `SET SQLFORMAT CSV`: a quoted upper-case header, text enclosed, also where it is NULL, since '' is NULL;
    CHAR is padded, booleans are Y and N, DATE has a time, NUMBER is written `.5`, RAW in upper-case hex. NLS formats
    are set to ISO. Documented in Oracle's SQL Language Reference under Data Types and Format Models; no arrays."""

    NAME = "oracle-csv"
    FILE = "orders.csv"
    HEADER = True
    QUOTED_HEADER = True
    UPPER = True
    FORMS = {
        "char(6)": lambda value: value.ljust(6) if value else value,
        "boolean": lambda value: "Y" if value else "N",
        "decimal(12,2)": oracle_number,
        "decimal(30,12)": oracle_number,
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
    NOTES = {
        "active": "Y and N", "born": "DATE, with a time", "starts": "VARCHAR2", "token": "hex", "data": "hex",
    }
    LOST = {column: ("'' is NULL", lambda value: not value) for column in ("code", "name", "data")}

    def field(self, column, form):
        if column in ("code", "name", "active", "starts", "token", "data", "payload", "kind"):
            return doubled(form or b"")
        return form or b""


class Csv(Format):
    """Python's csv.writer with its defaults: CRLF, NULL and '' both empty, bytes in hex by the program, all else by
    `str`. Documented at docs.python.org/3/library/csv.html."""

    NAME = "csv"
    PLAIN = True
    FILE = "orders.csv"
    HEADER = True
    COLUMNS = declared(tags="json")
    NOTES = {"active": "True and False", "data": "hex", "tags": "JSON text"}
    LOST = {column: ("'' is NULL", lambda value: not value) for column in ("code", "name", "data")}

    def write(self, rows, path):
        forms = {"data": bytes.hex, "tags": compact_json, "price": fixed, "rate": fixed}
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(self.COLUMNS)
        for row in rows:
            writer.writerow(
                None if value is None else forms.get(column, str)(value) for column, value in row.items()
            )
        path.write_bytes(text.getvalue().encode())
