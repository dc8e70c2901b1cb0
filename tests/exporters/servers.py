"""Exports the table from real stores, and adds what they wrote to the manifest that make.py left in a directory.

    servers.py DIR [--rows N] [--seed S] [--defects]

Starts PostgreSQL and MariaDB with fresh data directories on free ports of the loopback interface, as a user that is not
root, and stops them at the end. Each export is named `real-…` in the manifest. Needs the Debian packages postgresql and
mariadb-server, and from PyPI psycopg[binary] and pymysql beside what make.py needs; DuckDB reads the servers where
duckdb-extension-postgres-scanner and duckdb-extension-mysql-scanner are installed, and Polars where connectorx is.
"""

import contextlib
import copy
import glob
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

import duckdb
import pandas
import polars
import psycopg
import pymysql

import make
import table
from base import Format, declared
from forms import compact_json, fixed
from formats import FORMATS

POSTGRES_TYPES = {
    "int64": "bigint PRIMARY KEY", "char(6)": "char(6)", "text": "text", "boolean": "boolean", "int32": "integer",
    "uint64": "numeric(20)", "decimal(12,2)": "numeric(12,2)", "decimal(30,12)": "numeric(30,12)",
    "float64": "double precision", "float32": "real", "date": "date", "time": "time", "timestamp": "timestamp",
    "timestamptz": "timestamptz", "uuid": "uuid", "bytes": "bytea", "json": "jsonb", "list<text>": "text[]",
    "enum": "kinds",
}
MARIADB_TYPES = {
    "int64": "BIGINT PRIMARY KEY", "char(6)": "CHAR(6)", "text": "TEXT", "boolean": "TINYINT(1)", "int32": "INT",
    "uint64": "BIGINT UNSIGNED", "decimal(12,2)": "DECIMAL(12,2)", "decimal(30,12)": "DECIMAL(30,12)",
    "float64": "DOUBLE", "float32": "FLOAT", "date": "DATE", "time": "TIME(6)", "timestamp": "DATETIME(6)",
    "timestamptz": "TIMESTAMP(6) NULL", "uuid": "BINARY(16)", "bytes": "BLOB", "json": "JSON", "list<text>": "JSON",
    "enum": "ENUM('new','paid','sent')",
}
SQLITE_TYPES = dict.fromkeys(POSTGRES_TYPES, "TEXT") | {
    "int64": "INTEGER PRIMARY KEY", "int32": "INTEGER", "boolean": "INTEGER", "float64": "REAL", "float32": "REAL",
    "bytes": "BLOB",
}
MARIADB_VALUES = {
    "updated": lambda value: value.replace(tzinfo=None), "token": lambda value: value.bytes, "tags": compact_json,
}
SQLITE_VALUES = {"price": fixed, "rate": fixed, "tags": compact_json} | dict.fromkeys(
    ["total", "born", "starts", "created", "updated", "token"], str
)


SELECT = "SELECT {} FROM orders ORDER BY id"
OUTFILE = "* INTO OUTFILE '{}' FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '{}'"


class Missing(Exception):
    """A program that a Debian package has."""


class SqliteCsv(Format, file="orders.csv", header=True, plain=True):
    """`.mode csv` of the sqlite3 shell; bytes are left out, as it ends them at their first zero."""

    COLUMNS = declared("data", tags="json")
    NOTES = {"active": "0 and 1", "tags": "JSON"}
    LOST = {"score": FORMATS["redshift-csv"].LOST["score"]}


class ReadParquet(Format, file="orders.parquet", plain=True):
    """A table that a library read from a server, and wrote as Parquet."""


class Exports:
    """What real stores write below a directory, for the manifest."""

    def __init__(self, directory, rows):
        self.directory = directory.absolute()
        self.rows = rows
        self.entries = {}

    def path(self, name, format, note, lost=None):
        """Where a store is to write this file. It has the format of an imitation, but may lose other values."""
        path = self.directory / f"real-{name}" / format.FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        format = copy.copy(format)
        format.LOST = format.LOST if lost is None else lost
        entry = format.entry(self.rows) | {"path": str(path.relative_to(self.directory))}
        self.entries[f"real-{name}"] = entry | {"notes": entry["notes"] | {"*": note}}
        return path

    def by_pandas(self, store, rows, lost):
        path = self.path(f"{store}-pandas", ReadParquet(), "rows of the driver, a data frame, and to_parquet", lost)
        pandas.DataFrame(rows, columns=list(table.TYPES)).to_parquet(path)

    def by_duckdb(self, store, scanner, attach, query):
        """What DuckDB's scanner reads, where its package is installed."""
        package = importlib.util.find_spec(f"duckdb_extension_{scanner}_scanner")
        if not package:
            return
        path = self.path(f"{store}-duckdb", ReadParquet(), f"DuckDB's {scanner} scanner, and COPY TO")
        extension = next(pathlib.Path(package.submodule_search_locations[0]).rglob("*.duckdb_extension"))
        with duckdb.connect() as db:
            db.execute(f"LOAD '{extension}'")
            db.execute("SET TimeZone = 'UTC'")
            db.execute(f"ATTACH '{attach}' AS store (TYPE {scanner}, READ_ONLY)")
            db.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")

    def by_polars(self, store, url, query, lost):
        """What Polars reads, where connectorx is installed; its decimals have ten digits."""
        if not importlib.util.find_spec("connectorx"):
            return
        lost = lost | {"rate": ("10 digits", lambda value: fixed(value)[-2:] != "00")}
        path = self.path(f"{store}-polars", ReadParquet(), "Polars' read_database_uri with connectorx", lost)
        polars.read_database_uri(query, url, engine="connectorx").write_parquet(path)


def program(name, package, *places):
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", *places]))
    if not found:
        raise Missing(f"{name} is missing: apt-get install {package}")
    return found


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def run(*command):
    """Runs a program in a directory that every user may enter; its output goes to a file, since a server that it starts
    would keep a pipe open."""
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run([str(part) for part in command], stdout=output, stderr=output, cwd="/", check=False)
        output.seek(0)
        if done.returncode:
            raise RuntimeError(f"{command} ended with {done.returncode}: {output.read()}")


def as_user(name):
    """What runs a command as this user, where this process is root's."""
    return ["setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups"] if os.getuid() == 0 else []


def own_directory(root, name, user):
    directory = root / name
    directory.mkdir(mode=0o700)
    if os.getuid() == 0:
        shutil.chown(directory, user, user)
    return directory


def fill(cursor, types, rows, convert, place="%s"):
    """Creates the table with a store's types, and inserts the rows."""
    columns = ", ".join(f"{column} {types[kind]}" for column, kind in table.TYPES.items())
    cursor.execute(f"CREATE TABLE orders ({columns})")
    values = [
        [convert[column](value) if column in convert and value is not None else value for column, value in row.items()]
        for row in rows
    ]
    cursor.executemany(f"INSERT INTO orders VALUES ({', '.join([place] * len(table.TYPES))})", values)


@contextlib.contextmanager
def postgres(root):
    """A server, as a URL."""
    places = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    initdb, pg_ctl = (program(name, "postgresql", *places) for name in ("initdb", "pg_ctl"))
    data, port, user = own_directory(root, "postgres", "postgres"), free_port(), as_user("postgres")
    run(*user, initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={data} -c fsync=off -c timezone=UTC"
    server = [*user, pg_ctl, "-D", data, "-w", "-l", data / "log"]
    try:
        run(*server, "-o", options, "start")
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        if (data / "postmaster.pid").exists():
            run(*server, "-m", "immediate", "stop")


def export_postgres(exports, url):
    psql = program("psql", "postgresql-client")
    with psycopg.connect(url) as db:
        db.execute("CREATE TYPE kinds AS ENUM ('new', 'paid', 'sent')")
        fill(db.cursor(), POSTGRES_TYPES, exports.rows, {})
    for name, options in {"postgres-csv": "(FORMAT csv, HEADER)", "postgres-text": ""}.items():
        path = exports.path(name, FORMATS[name], "psql's \\copy")
        run(psql, url, "-X", "-q", "-c", f"\\copy ({SELECT.format('*')}) TO '{path}' {options}")

    def selected(column):
        """One column as text, which a library cannot take by its type."""
        return SELECT.format(", ".join(f"{name}::text" if name == column else name for name in table.TYPES))

    with psycopg.connect(url) as db:
        # objects and lists in one column cannot be written
        exports.by_pandas("postgres", db.execute(selected("payload")).fetchall(), {})
    query = f"SELECT * FROM postgres_query('store', '{SELECT.format('*')}')"
    exports.by_duckdb("postgres", "postgres", url, query)
    # connectorx refuses a numeric without digits after its point
    exports.by_polars("postgres", url, selected("total"), {})


@contextlib.contextmanager
def mariadb(root):
    """A server, as the options of a client that is its root."""
    install, server = (program(name, "mariadb-server") for name in ("mariadb-install-db", "mariadbd"))
    data, user = own_directory(root, "mariadb", "mysql"), as_user("mysql")
    run(*user, install, f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db")
    login = {"host": "127.0.0.1", "port": free_port(), "user": "root", "password": "", "database": "mysql"}
    options = [
        "--no-defaults", f"--datadir={data}", f"--socket={data}/socket", f"--port={login['port']}",
        "--bind-address=127.0.0.1", "--default-time-zone=+00:00", "--character-set-server=utf8mb4",
        "--innodb-flush-log-at-trx-commit=0", "--secure-file-priv=", f"--log-error={data}/log",
    ]
    process = subprocess.Popen([*user, server, *options], cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with contextlib.suppress(pymysql.Error):
                pymysql.connect(**login).close()
                break
            if process.poll() is not None:
                raise RuntimeError(f"mariadbd ended: {(data / 'log').read_text()}")
            time.sleep(0.1)
        yield login
    finally:
        process.terminate()
        process.wait(60)


def export_mariadb(exports, login, root):
    dump = program("mariadb-dump", "mariadb-client")
    # the server writes its files itself
    written = own_directory(root, "written", "mysql")
    with pymysql.connect(**login, charset="utf8mb4", autocommit=True) as db:
        cursor = db.cursor()
        cursor.execute("CREATE DATABASE shop CHARACTER SET utf8mb4")
        cursor.execute("USE shop")
        fill(cursor, MARIADB_TYPES, exports.rows, MARIADB_VALUES)
        client = [f"--{option}={login[option]}" for option in ("host", "port", "user")]
        run(dump, "--no-defaults", *client, f"--tab={written}", "shop", "orders")
        for name, escape in {"mysql-outfile": "\\\\", "cloudsql-mysql": '"'}.items():
            cursor.execute(SELECT.format(OUTFILE.format(written / name, escape)))
        cursor.execute(SELECT.format("*"))
        rows = cursor.fetchall()
    (written / "orders.txt").rename(written / "mysql-tab")
    for name, note in {"mysql-tab": "--tab", "mysql-outfile": "OUTFILE", "cloudsql-mysql": "OUTFILE"}.items():
        shutil.copyfile(written / name, exports.path(name, FORMATS[name], f"MariaDB's {note}"))
    text_protocol = FORMATS["mysql-tab"].LOST
    exports.by_pandas("mariadb", rows, text_protocol | FORMATS["pandas"].LOST)
    login = login | {"database": "shop"}
    attach = " ".join(f"{key}={value}" for key, value in login.items() if value)
    exports.by_duckdb("mariadb", "mysql", attach, "SELECT * FROM store.orders ORDER BY id")
    url = "mysql://{user}@{host}:{port}/{database}".format(**login)
    exports.by_polars("mariadb", url, SELECT.format("*"), text_protocol)


def export_sqlite(exports, root):
    shell = program("sqlite3", "sqlite3")
    with contextlib.closing(sqlite3.connect(root / "orders.db")) as db, db:
        fill(db.cursor(), SQLITE_TYPES, exports.rows, SQLITE_VALUES, place="?")
    note = "sqlite3 -csv -header: '' is quoted and NULL is not, floats have 15 digits"
    with exports.path("sqlite-csv", SqliteCsv(), note).open("wb") as file:
        query = SELECT.format(", ".join(SqliteCsv.COLUMNS))
        subprocess.run([shell, "-csv", "-header", root / "orders.db", query], stdout=file, check=True)


def main():
    args = make.arguments(__doc__)
    # so that a signal stops the servers too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    rows, _ = make.table_of(args)
    exports = Exports(args.directory, rows)
    try:
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            # the servers run as other users
            root.chmod(0o755)
            export_sqlite(exports, root)
            with postgres(root) as url:
                export_postgres(exports, url)
            with mariadb(root) as login:
                export_mariadb(exports, login, root)
    except Missing as missing:
        print(missing, file=sys.stderr)
        sys.exit(2)
    path = args.directory / "manifest.json"
    manifest = json.loads(path.read_bytes()) if path.exists() else {}
    make.save(manifest | exports.entries, path)


if __name__ == "__main__":
    main()
