"""What every format says of itself."""

import base64

from forms import clock, compact_json, float_text, instant, json_value, trimmed
from table import TYPES


def declared(*without, **other):
    """The columns of the table with their types, without some, and with another type for some."""
    return {column: other.get(column, kind) for column, kind in TYPES.items() if column not in without}


class Format:
    """A format has a name, a file below its directory, and `write(rows, path)`. `COLUMNS` are its columns in their
    order, with the types that a reader declares for them; `NOTES` says how some of them look, and `LOST` which values
    cannot be read back from it, and why."""

    NAME = FILE = None
    # None where the file itself names its columns in another way
    HEADER = None
    UPPER = False
    COLUMNS = declared()
    NOTES = {}
    LOST = {}

    # the forms that BigQuery has in CSV and in JSON
    BIGQUERY = {
        "boolean": lambda value: str(value).lower(),
        "decimal(12,2)": trimmed,
        "decimal(30,12)": trimmed,
        "float64": lambda value: float_text(value, -4, 15),
        "float32": lambda value: float_text(value, -4, 15),
        "time": lambda value: clock(value, "thousands"),
        "timestamp": lambda value: instant(value, "thousands", "T"),
        "timestamptz": lambda value: instant(value, "thousands") + " UTC",
        "bytes": lambda value: base64.b64encode(value).decode(),
        "json": lambda value: compact_json(json_value(value)),
    }

    @classmethod
    def name(cls, column):
        return column.upper() if cls.UPPER else column

    @classmethod
    def lost(cls, rows):
        """The ids of the rows whose value in a column cannot be read back, by column."""
        found = {}
        for column, (why, is_lost) in cls.LOST.items():
            ids = [row["id"] for row in rows if row[column] is not None and is_lost(row[column])]
            found |= {cls.name(column): {"why": why, "ids": ids}} if ids else {}
        return found

    @classmethod
    def entry(cls, rows):
        """What the manifest says of the format."""
        return {
            "path": f"{cls.NAME}/{cls.FILE}",
            "preset": cls.NAME,
            "header": cls.HEADER,
            "columns": [cls.name(column) for column in cls.COLUMNS],
            "types": {cls.name(column): kind for column, kind in cls.COLUMNS.items()},
            "notes": {cls.name(column): note for column, note in cls.NOTES.items()},
            "lost": cls.lost(rows),
        }
