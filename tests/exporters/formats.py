"""All formats by name: each has `write(rows, path)`, the `COLUMNS` that it carries, and a docstring that says what the
store writes and where that is documented."""

import columnar_formats  # noqa: F401
import json_formats  # noqa: F401
import text_formats  # noqa: F401
from base import Format

FORMATS = Format.ALL
