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


def make(directory, count, seed, planted):
    """Writes all formats; returns the manifest."""
    rows = table.rows(count, seed)
    defects = table.defects(rows, seed) if planted else []
    for name, format in FORMATS.items():
        path = directory / name / format.FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        format.write(rows, path)
    return {name: format.entry(rows) for name, format in FORMATS.items()} | {"defects": defects}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--defects", action="store_true")
    args = parser.parse_args()
    manifest = make(args.directory, args.rows, args.seed, args.defects)
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    (args.directory / "manifest.json").write_bytes(text.encode() + b"\n")


if __name__ == "__main__":
    main()
