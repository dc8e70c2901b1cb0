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
    cannot be read back from it, and why. `ALL` has one of each format that has a name."""

    ALL = {}
    NAME = FILE = None
    # no store's own way to write
    PLAIN = False
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

    def __init_subclass__(cls):
        if cls.NAME:
            Format.ALL[cls.NAME] = cls()

    def name(self, column):
        return column.upper() if self.UPPER else column

    def lost(self, rows):
        """The ids of the rows whose value in a column cannot be read back, by column."""
        found = {}
        for column, (why, is_lost) in self.LOST.items():
            ids = [row["id"] for row in rows if row[column] is not None and is_lost(row[column])]
            found |= {self.name(column): {"why": why, "ids": ids}} if ids else {}
        return found

    def entry(self, rows):
        """What the manifest says of the format."""
        return {
            "path": f"{self.NAME}/{self.FILE}",
            "preset": None if self.PLAIN else self.NAME,
            "header": self.HEADER,
            "columns": [self.name(column) for column in self.COLUMNS],
            "types": {self.name(column): kind for column, kind in self.COLUMNS.items()},
            "notes": {self.name(column): note for column, note in self.NOTES.items()},
            "lost": self.lost(rows),
        }
