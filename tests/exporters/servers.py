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


class Missing(Exception):
    """A program that a Debian package has."""


def program(name, package, *places):
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", *places]))
    if not found:
        raise Missing(f"{name} is missing: apt-get install {package}")
    return found


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def as_user(name):
    """What runs a command as this user, where this process is root's."""
    return ["setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups"] if os.getuid() == 0 else []


def own_directory(root, name, user):
    directory = root / name
    directory.mkdir(mode=0o700)
    if os.getuid() == 0:
        shutil.chown(directory, user, user)
    return directory


def inserted(rows, convert):
    return [
        [convert[column](value) if column in convert and value is not None else value for column, value in row.items()]
        for row in rows
    ]


SELECT = "SELECT {} FROM orders ORDER BY id"


def selected(**other):
    return ", ".join(other.get(column, column) for column in table.TYPES)


def columns(types):
    return ", ".join(f"{column} {types[kind]}" for column, kind in table.TYPES.items())


@contextlib.contextmanager
def postgres(root):
    """A server, as a URL."""
    places = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    initdb, pg_ctl = (program(name, "postgresql", *places) for name in ("initdb", "pg_ctl"))
    program("psql", "postgresql")
    data = own_directory(root, "postgres", "postgres")
    port, user = free_port(), as_user("postgres")
    run(*user, initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", cwd="/")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={data} -c fsync=off -c timezone=UTC"
    server = [*user, pg_ctl, "-D", data, "-w", "-l", data / "log"]
    # the log keeps no pipe open
    subprocess.run([*map(str, server), "-o", options, "start"], check=True, cwd="/", stdout=subprocess.DEVNULL)
    try:
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        run(*server, "-m", "immediate", "stop", cwd="/")


def fill_postgres(url, rows):
    with psycopg.connect(url) as db:
        db.execute("CREATE TYPE kinds AS ENUM ('new', 'paid', 'sent')")
        db.execute(f"CREATE TABLE orders ({columns(POSTGRES_TYPES)})")
        places = ", ".join(["%s"] * len(table.TYPES))
        db.cursor().executemany(f"INSERT INTO orders VALUES ({places})", inserted(rows, {}))


def export_postgres(url, directory):
    """Yields a format and a note for each file that it writes."""
    for name, options in {"postgres-csv": "(FORMAT csv, HEADER)", "postgres-text": ""}.items():
        format, path = real(directory, f"real-{name}", FORMATS[name])
        run("psql", url, "-X", "-q", "-c", f"\\copy (SELECT * FROM orders ORDER BY id) TO '{path}' {options}")
        yield format, "psql's \\copy"
    with psycopg.connect(url) as db:
        # a column of objects and lists cannot be written
        cursor = db.execute(SELECT.format(selected(payload="payload::text AS payload")))
        yield from read_by_pandas(directory, "postgres", cursor.fetchall(), {})
    query = f"SELECT * FROM postgres_query('store', '{SELECT.format('*')}')"
    yield from read_by_duckdb(directory, "postgres", url, query, {})
    # connectorx takes no numeric without a scale
    query = SELECT.format(selected(total="total::text AS total"))
    yield from read_by_polars(directory, "postgres", url, query, {})


@contextlib.contextmanager
def mariadb(root):
    """A server, as the options of its clients."""
    install, server = program("mariadb-install-db", "mariadb-server"), program("mariadbd", "mariadb-server")
    program("mariadb-dump", "mariadb-client")
    data = own_directory(root, "mariadb", "mysql")
    user = as_user("mysql")
    run(*user, install, f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db", cwd="/")
    port, path = free_port(), data / "socket"
    process = subprocess.Popen(
        [
            *user, server, "--no-defaults", f"--datadir={data}", f"--socket={path}", f"--port={port}",
            "--bind-address=127.0.0.1", "--default-time-zone=+00:00", "--character-set-server=utf8mb4",
            "--innodb-flush-log-at-trx-commit=0", "--secure-file-priv=",
        ],
        stdout=subprocess.DEVNULL, stderr=(root / "mariadb.log").open("wb"), cwd="/",
    )
    try:
        for _ in range(300):
            with contextlib.suppress(pymysql.Error):
                pymysql.connect(unix_socket=str(path), user="root").close()
                break
            if process.poll() is not None:
                raise RuntimeError(f"mariadbd ended: {(root / 'mariadb.log').read_text()}")
            time.sleep(0.1)
        yield {"host": "127.0.0.1", "port": port, "user": "shop", "password": "shop", "database": "shop"}, path
    finally:
        process.terminate()
        process.wait(60)


def fill_mariadb(path, rows):
    with pymysql.connect(unix_socket=str(path), user="root", charset="utf8mb4", autocommit=True) as db:
        cursor = db.cursor()
        cursor.execute("CREATE DATABASE shop CHARACTER SET utf8mb4")
        cursor.execute("CREATE USER shop@'127.0.0.1' IDENTIFIED BY 'shop'")
        cursor.execute("GRANT ALL ON *.* TO shop@'127.0.0.1'")
        cursor.execute("USE shop")
        cursor.execute(f"CREATE TABLE orders ({columns(MARIADB_TYPES)})")
        places = ", ".join(["%s"] * len(table.TYPES))
        cursor.executemany(f"INSERT INTO orders VALUES ({places})", inserted(rows, MARIADB_VALUES))


OUTFILE = "FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '{}'"


def export_mariadb(login, socket_path, root, directory):
    """Yields what `export_postgres` does. The server writes its files itself, into a directory of its own."""
    written = own_directory(root, "written", "mysql")
    run("mariadb-dump", "--no-defaults", f"--socket={socket_path}", "-uroot", f"--tab={written}", "shop", "orders")
    (written / "orders.txt").rename(written / "mysql-tab")
    with pymysql.connect(**login, charset="utf8mb4") as db:
        cursor = db.cursor()
        for name, escape in {"mysql-outfile": "\\\\", "cloudsql-mysql": '"'}.items():
            outfile = f"* INTO OUTFILE '{written}/{name}' {OUTFILE.format(escape)}"
            cursor.execute(SELECT.format(outfile))
        cursor.execute(SELECT.format("*"))
        rows = cursor.fetchall()
    for name in ("mysql-tab", "mysql-outfile", "cloudsql-mysql"):
        format, path = real(directory, f"real-{name}", FORMATS[name])
        shutil.copyfile(written / name, path)
        yield format, "mariadb-dump --tab" if name == "mysql-tab" else "INTO OUTFILE"
    mysql = FORMATS["mysql-tab"].LOST
    yield from read_by_pandas(directory, "mariadb", rows, mysql | {"total": FORMATS["pandas"].LOST["total"]})
    attach = " ".join(f"{key}={value}" for key, value in login.items())
    yield from read_by_duckdb(directory, "mysql", attach, "SELECT * FROM store.orders ORDER BY id", {})
    url = "mysql://{user}:{password}@{host}:{port}/{database}".format(**login)
    yield from read_by_polars(directory, "mysql", url, SELECT.format("*"), mysql)


def export_sqlite(rows, root, directory):
    sqlite = program("sqlite3", "sqlite3")
    with contextlib.closing(sqlite3.connect(root / "orders.db")) as db, db:
        db.execute(f"CREATE TABLE orders ({columns(SQLITE_TYPES)})")
        places = ", ".join(["?"] * len(table.TYPES))
        db.executemany(f"INSERT INTO orders VALUES ({places})", inserted(rows, SQLITE_VALUES))
    # it ends bytes at their first zero
    format, path = real(directory, "real-sqlite-csv", SqliteCsv())
    with path.open("wb") as file:
        query = SELECT.format(", ".join(format.COLUMNS))
        subprocess.run([sqlite, "-csv", "-header", root / "orders.db", query], stdout=file, check=True)
    yield format, "sqlite3 -csv -header: CRLF, NULL and '' both empty, floats of 15 digits"


class SqliteCsv(Format):
    """`.mode csv` of the sqlite3 shell."""

    FILE = "orders.csv"
    PLAIN = True
    HEADER = True
    COLUMNS = declared("data", tags="json")
    NOTES = {"active": "0 and 1", "tags": "JSON"}
    LOST = FORMATS["csv"].LOST | {"score": FORMATS["redshift-csv"].LOST["score"]}


class ReadParquet(Format):
    """A table that a library read from a server, and wrote as Parquet."""

    FILE = "orders.parquet"
    PLAIN = True


def read_by_pandas(directory, store, rows, lost):
    format, path = real(directory, f"real-{store}-pandas", ReadParquet(), lost)
    pandas.DataFrame(rows, columns=list(table.TYPES)).to_parquet(path)
    yield format, "rows of the driver in a pandas data frame, and to_parquet"


def read_by_duckdb(directory, store, attach, query, lost):
    """What DuckDB's scanner reads, where its package is installed."""
    package = importlib.util.find_spec(f"duckdb_extension_{store}_scanner")
    if not package:
        return
    format, path = real(directory, f"real-{store}-duckdb", ReadParquet(), lost)
    with duckdb.connect() as db:
        extension = next(pathlib.Path(package.submodule_search_locations[0]).rglob("*.duckdb_extension"))
        db.execute(f"LOAD '{extension}'")
        db.execute("SET TimeZone = 'UTC'")
        db.execute(f"ATTACH '{attach}' AS store (TYPE {store}, READ_ONLY)")
        db.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    yield format, f"DuckDB's {store} scanner, and COPY TO"


def read_by_polars(directory, store, url, query, lost):
    """What Polars reads, where connectorx is installed; its decimals have ten digits."""
    if not importlib.util.find_spec("connectorx"):
        return
    cut = {"rate": ("10 digits", lambda value: fixed(value)[-2:] != "00")}
    format, path = real(directory, f"real-{store}-polars", ReadParquet(), lost | cut)
    polars.read_database_uri(query, url, engine="connectorx").write_parquet(path)
    yield format, "Polars' read_database_uri with connectorx, and write_parquet"


def real(directory, name, format, lost=None):
    """A format whose file a real store writes, and where."""
    found = copy.copy(format)
    found.NAME, found.LOST = name, format.LOST if lost is None else lost
    path = directory.absolute() / name / format.FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    return found, path


def export(directory, rows):
    """The entries of all real exports."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as servers:
        root = pathlib.Path(name)
        root.chmod(0o755)
        found = list(export_sqlite(rows, root, directory))
        url = servers.enter_context(postgres(root))
        fill_postgres(url, rows)
        found += export_postgres(url, directory)
        login, socket_path = servers.enter_context(mariadb(root))
        fill_mariadb(socket_path, rows)
        found += export_mariadb(login, socket_path, root, directory)
        entries = {}
        for format, note in found:
            entry = format.entry(rows)
            preset = entry["preset"] and entry["preset"].removeprefix("real-")
            entries[format.NAME] = entry | {"preset": preset, "notes": entry["notes"] | {"*": note}}
        return entries


def main():
    args = make.arguments(__doc__)
    # so that a signal stops the servers too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    rows, _ = make.table_of(args)
    path = args.directory / "manifest.json"
    manifest = json.loads(path.read_bytes()) if path.exists() else {}
    try:
        manifest |= export(args.directory, rows)
    except Missing as missing:
        print(missing, file=sys.stderr)
        sys.exit(2)
    make.save(manifest, path)


if __name__ == "__main__":
    main()
