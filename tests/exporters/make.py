"""Writes one table in every format below a directory, and `manifest.json`, which describes them.

    make.py DIR [--rows N] [--seed S] [--defects]

Needs pyarrow, duckdb, polars, pandas, and fastavro. With --defects, twelve defects are planted, which the manifest
lists: the same seed without them is the other side. The manifest has, for each format, its path, preset, columns in the
order of the file, whether a header names them, their declared types, notes, and which values it cannot hold (`lost`).
"""

import argparse
import json
import pathlib

import table
from formats import FORMATS


def arguments(description):
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("directory", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--defects", action="store_true")
    return parser.parse_args()


def table_of(args):
    """The rows, and the defects in them."""
    rows = table.rows(args.rows, args.seed)
    return rows, table.defects(rows, args.seed) if args.defects else []


def save(manifest, path):
    path.write_bytes(json.dumps(manifest, indent=1, ensure_ascii=False).encode() + b"\n")


def main():
    args = arguments(__doc__)
    rows, defects = table_of(args)
    for name, format in FORMATS.items():
        path = args.directory / name / format.FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        format.write(rows, path)
    manifest = {name: format.entry(rows) for name, format in FORMATS.items()}
    save(manifest | {"defects": defects}, args.directory / "manifest.json")


if __name__ == "__main__":
    main()
