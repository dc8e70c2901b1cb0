"""All formats, by name. Each is a class with `write(rows, path)`, the `COLUMNS` that it carries, and a docstring that says
what the store writes and where that is documented."""

import columnar_formats
import json_formats
import text_formats

FORMATS = {
    format.NAME: format for module in (text_formats, json_formats, columnar_formats) for format in module.FORMATS
}
