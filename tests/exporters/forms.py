"""Text forms of values that several exporters share."""

import base64
import json
from decimal import Decimal

from table import float32


def fraction(microseconds, style):
    """What follows the seconds: `style` is a fixed number of digits, which cuts, "trimmed" to the digits that count, or
    "thousands" for none, three, or six digits."""
    digits = f"{microseconds:06}"
    if style == "trimmed":
        digits = digits.rstrip("0")
    elif style == "thousands":
        digits = "" if digits == "000000" else digits[:3] if digits.endswith("000") else digits
    else:
        digits = digits[:style]
    return f".{digits}" if digits else ""


def clock(value, style):
    return f"{value:%H:%M:%S}{fraction(value.microsecond, style)}"


def instant(value, style, between=" "):
    return f"{value.year:04}-{value:%m-%d}{between}{clock(value, style)}"


def fixed(number):
    """A decimal with all digits of its scale."""
    return format(number, "f")


def trimmed(number):
    """A decimal without the zeros at its end."""
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def lower(boolean):
    return str(boolean).lower()


def base64_text(content):
    return base64.b64encode(content).decode()


def shortest(number, single=False):
    """The digits, sign, and exponent of the shortest text that reads as this float, or this float32."""
    if single:
        return next(
            Decimal(text) for text in (f"{number:.{digits}e}" for digits in range(9)) if float32(float(text)) == number
        )
    return Decimal(repr(number))


def float_text(number, lowest=-4, highest=15, single=False, plus="+", pad=2):
    """A float by its shortest digits, with an exponent where that is below `lowest` or from `highest` on."""
    exact = shortest(number, single)
    if exact.is_zero():
        return "-0" if exact.is_signed() else "0"
    exact = exact.normalize()
    exponent = exact.adjusted()
    if lowest <= exponent < highest:
        return format(exact, "f")
    sign = "-" if exponent < 0 else plus
    return f"{trimmed(exact.scaleb(-exponent))}e{sign}{abs(exponent):0{pad}}"


def json_value(text):
    """A JSON document with exact numbers."""
    return json.loads(text, parse_float=Decimal)


def json_text(value, between=", ", after=": ", order=None, escape=None):
    """JSON with exact numbers; `order` sorts the keys of objects by a key, `escape` rewrites the text of strings."""

    def text(value):
        match value:
            case None | bool():
                return json.dumps(value)
            case int() | Decimal():
                return format(value, "f") if isinstance(value, Decimal) else str(value)
            case float():
                return repr(value)
            case str():
                quoted = json.dumps(value, ensure_ascii=False)
                return escape(quoted) if escape else quoted
            case dict():
                keys = sorted(value, key=order) if order else value
                return "{" + between.join(f"{text(key)}{after}{text(value[key])}" for key in keys) + "}"
            case _:
                return "[" + between.join(text(item) for item in value) + "]"

    return text(value)


def jsonb(text):
    """As PostgreSQL prints jsonb: short keys first, escapes resolved."""
    return json_text(json_value(text), order=lambda key: (len(key.encode()), key.encode()))


def compact_json(value):
    return json_text(value, between=",", after=":")


def array_text(items):
    """As PostgreSQL prints text[]."""

    def item(value):
        if value is None:
            return "NULL"
        plain = value and value.upper() != "NULL" and not any(char in '{}",\\ \t\n\r\v\f' for char in value)
        return value if plain else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    return "{" + ",".join(item(value) for value in items) + "}"


# of BigQuery in CSV, and mostly in JSON
BIGQUERY = {
    "boolean": lower,
    "decimal": trimmed,
    "float64": float_text,
    "float32": float_text,
    "time": lambda value: clock(value, "thousands"),
    "timestamp": lambda value: instant(value, "thousands", "T"),
    "timestamptz": lambda value: instant(value, "thousands") + " UTC",
    "bytes": base64_text,
    "json": lambda value: compact_json(json_value(value)),
}
