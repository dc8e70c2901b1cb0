"""What every format says of itself."""

from table import TYPES


def declared(*without, **other):
    """The columns of the table with their types, without some, and with another type for some."""
    return {column: other.get(column, kind) for column, kind in TYPES.items() if column not in without}


class Format:
    """A format has a name, a file below its directory, and `write(rows, path)`. `COLUMNS` are its columns in their
    order, with the types that a reader declares for them; `NOTES` says how some of them look, and `LOST` which values
    cannot be read back from it, and why. `ALL` has one of each format that has a name."""

    ALL = {}
    COLUMNS = declared()
    NOTES = {}
    LOST = {}
    NAME = FILE = None
    # whether a library wrote it, and not a store, so that there is no preset for it
    PLAIN = False
    # whether the first line names the columns; None where each document or the file's schema does
    HEADER = None
    # whether the names are in upper case
    UPPER = False

    def __init_subclass__(cls, **settings):
        for name, value in settings.items():
            setattr(cls, name.upper(), value)
        if "name" in settings:
            Format.ALL[cls.NAME] = cls()

    def named(self, column):
        return column.upper() if self.UPPER else column

    def form(self, forms, column, value):
        """The value by the form of its column or else of its kind, which is its type without parameters."""
        form = forms.get(column) or forms.get(TYPES[column].partition("(")[0])
        return form(value) if form and value is not None else value

    def lost(self, rows):
        """The ids of the rows whose value in a column cannot be read back, by column."""
        found = {}
        for column, (why, is_lost) in self.LOST.items():
            ids = [row["id"] for row in rows if row[column] is not None and is_lost(row[column])]
            found |= {self.named(column): {"why": why, "ids": ids}} if ids else {}
        return found

    def entry(self, rows):
        """What the manifest says of the format."""
        return {
            "path": f"{self.NAME}/{self.FILE}",
            "preset": None if self.PLAIN else self.NAME,
            "header": self.HEADER,
            "columns": [self.named(column) for column in self.COLUMNS],
            "types": {self.named(column): kind for column, kind in self.COLUMNS.items()},
            "notes": {self.named(column): note for column, note in self.NOTES.items()},
            "lost": self.lost(rows),
        }
