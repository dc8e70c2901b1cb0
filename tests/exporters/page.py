"""Runs the commands for PostgreSQL and MariaDB that a page about exporting shows, as they stand there.

    page.py PAGE COUNTERSIGN DIR

Prints a line for each block of commands: its section and its exit code; the output of those that fail goes to standard
error. Starts its own servers, like servers.py.
"""

import contextlib
import datetime
import decimal
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import uuid

import psycopg
import pyarrow
import pyarrow.parquet
import pymysql

import servers

UTC = datetime.timezone.utc
# the directory that MySQL may write to by default, and that the page names
FILES = "/var/lib/mysql-files"
ROWS = [
    {
        "id": number, "status": [None, "", "NULL", "\\N", 'a,"b"\n'][number % 5], "amount": decimal.Decimal(number) / 4,
        "created_at": datetime.datetime(2026, 11, 20, 8, number % 60, tzinfo=UTC), "ratio": number / 3,
        "flag": number % 2 == 0, "token": uuid.UUID(int=number).bytes,
    }
    for number in range(1, 200)
]
TYPES = {
    "id": pyarrow.int64(), "status": pyarrow.string(), "amount": pyarrow.decimal128(12, 2),
    "created_at": pyarrow.timestamp("us", "UTC"), "ratio": pyarrow.float32(), "flag": pyarrow.bool_(),
    "token": pyarrow.binary(16), "updated_at": pyarrow.timestamp("us", "UTC"),
}
FIRST = ["id", "status", "amount", "created_at"]
QUERIED = ["id", "status", "ratio", "flag", "token", "updated_at"]


def blocks(page, section, language):
    text = re.search(rf"^## {section}$(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL).group(1)
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def write_new(columns, directory):
    rows = [{"updated_at": row["created_at"]} | row for row in ROWS]
    schema = pyarrow.schema([(name, TYPES[name]) for name in columns])
    rows = [{name: row[name] for name in columns} for row in rows]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), directory / "new.parquet")


def report(section, done):
    print(section, done.returncode)
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)


def shell(section, commands, directory, environment):
    report(section, subprocess.run(
        ["bash", "-e", "-c", commands], cwd=directory, env=os.environ | environment, capture_output=True, text=True,
        check=False,
    ))


def postgres(page, countersign, root):
    directory = root / "postgres-files"
    directory.mkdir()
    with servers.postgres(root) as url:
        with psycopg.connect(url) as db:
            db.execute("CREATE TABLE orders (id bigint, status text, amount numeric(12,2), created_at timestamptz)")
            db.cursor().executemany("INSERT INTO orders VALUES (%(id)s, %(status)s, %(amount)s, %(created_at)s)", ROWS)
        write_new(FIRST, directory)
        path = f"{countersign.parent}:{os.environ['PATH']}"
        for commands in blocks(page, "PostgreSQL", "sh"):
            shell("PostgreSQL", commands, directory, {"URL": url, "PATH": path})


def mariadb(page, countersign, root):
    directory = servers.own_directory(root, "mariadb-files", "mysql")
    with servers.mariadb(root) as login:
        with pymysql.connect(**login, charset="utf8mb4", autocommit=True) as db:
            cursor = db.cursor()
            cursor.execute("SET time_zone = '+00:00'")
            cursor.execute("CREATE DATABASE shop CHARACTER SET utf8mb4")
            cursor.execute("USE shop")
            cursor.execute("CREATE TABLE orders (id BIGINT PRIMARY KEY, status TEXT, amount DECIMAL(12,2), "
                           "created_at TIMESTAMP(6) NULL)")
            rows = [row | {"created_at": row["created_at"].replace(tzinfo=None)} for row in ROWS]
            cursor.executemany("INSERT INTO orders VALUES (%(id)s, %(status)s, %(amount)s, %(created_at)s)", rows)
            write_new(FIRST, directory)
            client = "".join(f"{option}={login[option]}\n" for option in ("host", "port", "user"))
            (root / ".my.cnf").write_text(f"[client]\n{client}")
            path = f"{countersign.parent}:{os.environ['PATH']}"
            for commands in blocks(page, "MySQL and MariaDB", "sh"):
                commands = commands.replace(FILES, str(directory))
                shell("MySQL and MariaDB", commands, directory, {"HOME": str(root), "PATH": path})
            cursor.execute("ALTER TABLE orders ADD ratio FLOAT, ADD flag BIT(1), ADD token BINARY(16), "
                           "ADD updated_at TIMESTAMP(6) NULL")
            cursor.executemany("UPDATE orders SET ratio = %(ratio)s, flag = %(flag)s, token = %(token)s, "
                               "updated_at = created_at WHERE id = %(id)s", rows)
            for statements in blocks(page, "MySQL and MariaDB", "sql"):
                for statement in statements.replace(FILES, str(directory)).split(";"):
                    if statement.strip():
                        cursor.execute(statement)
    write_new(QUERIED, directory)
    # what the page says about the types of this query
    (directory / "job.toml").write_text(f"""
[old]
path    = "orders.csv"
preset  = "mysql-outfile"
columns = {QUERIED}
[new]
path = "new.parquet"
[compare]
key = "id"
[compare.columns.ratio]
type = "float32"
[compare.columns.updated_at]
type      = "timestamptz"
assume_tz = "UTC"
""")
    shell("INTO OUTFILE", f"{countersign} run job.toml", directory, {})


def main():
    page, countersign = pathlib.Path(sys.argv[1]).read_text(), pathlib.Path(sys.argv[2]).absolute()
    with tempfile.TemporaryDirectory(dir=sys.argv[3]) as name, contextlib.suppress(KeyboardInterrupt):
        root = pathlib.Path(name)
        root.chmod(0o755)
        postgres(page, countersign, root)
        mariadb(page, countersign, root)


if __name__ == "__main__":
    main()
