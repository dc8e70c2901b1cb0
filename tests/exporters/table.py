"""The table that every exporter writes: `orders`, drawn from a seed, with hard values in every column.

`TYPES` declares the columns in their order. `rows` draws the table: every value of `HARD` occurs where the table has
room for it, drawn values fill the rest, and each column but the key has NULLs. `defects` plants known defects.

A row is a dict of Python values: `payload` is the text of a JSON document, `ratio` a float that a float32 holds, and
`updated` is in UTC. NULL is None.
"""

import datetime as dt
import json
import random
import struct
import uuid
from decimal import Context, Decimal
from functools import partial

TYPES = {
    "id": "int64",
    "code": "char(6)",
    "name": "text",
    "active": "boolean",
    "quantity": "int32",
    "total": "uint64",
    "price": "decimal(12,2)",
    "rate": "decimal(30,12)",
    "score": "float64",
    "ratio": "float32",
    "born": "date",
    "starts": "time",
    "created": "timestamp",
    "updated": "timestamptz",
    "token": "uuid",
    "data": "bytes",
    "payload": "json",
    "tags": "list<text>",
    "kind": "enum",
}

KINDS = ["new", "paid", "sent"]


def float32(number):
    """The nearest value that a float32 holds."""
    return struct.unpack("f", struct.pack("f", number))[0]


def moment(*parts, zone=None):
    return dt.datetime(*parts, tzinfo=zone)


HARD = {
    "code": ["", "A", " C", "ABCDEF", "é日", "00012", "a b"],
    "name": [
        "", "", " ", "  blanks  ", "\ttabs\t", "a\tb", "a,b", '"', '""', '"a","b"', 'say "hi"', "it's", "\\", "a\\",
        "\\\\", "\\N", "\\n", "\\.", "NULL", "null", "a\nb", "a\rb", "a\r\nb", "\n", "\r\n", "ends\n", "日本語",
        "Žluťoučký", "🙂", "👩‍👩‍👧", "e\u0301", "\u00e9", "\u00a0", "\u2028", "\x1a", "\x08\x0b\x0c", "<b>&amp;</b>",
        "a|b;c", "0", "true", "2020-01-01", "{a,b}", "[1]", "=1+1", "x" * 300,
    ],
    "active": [True, False],
    "quantity": [0, -1, 2**31 - 1, -(2**31)],
    "total": [0, 1, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1],
    "price": [Decimal(text) for text in ("0.00", "-0.01", "1.50", "100.00", "9999999999.99", "-9999999999.99")],
    "rate": [
        Decimal(text)
        for text in (
            "0.000000000000", "0.000000000001", "-1.100000000000", "0.333333333000", "1000000000.000000000000",
            "123456789012345678.123456789012", "-999999999999999999.999999999999",
        )
    ],
    "score": [
        -0.0, 0.0, 1e300, 5e-324, 0.1, 0.1 + 0.2, 1 / 3, -1.5, 1e-5, 1e15, 1e16, 123456789.125, 2.0**53, 2.0**63,
        2.2250738585072014e-308, 1.7976931348623157e308, -1e-7, 1e22,
    ],
    "ratio": [
        float32(number) for number in (-0.0, 0.1, 1 / 3, 1.5, 16777216, 1234567, 1e-10, 3.4e38, -100, 1e6, 1e-45)
    ],
    "born": [
        dt.date(*parts)
        for parts in (
            (1000, 1, 1), (9999, 12, 31), (1582, 10, 10), (1900, 3, 1), (1969, 12, 31), (1970, 1, 1), (2000, 2, 29),
        )
    ],
    "starts": [dt.time(0), dt.time(23, 59, 59, 999999), dt.time(12, 0, 0, 500000), dt.time(8, 30), dt.time(0, 0, 0, 1)],
    "created": [
        moment(1000, 1, 1), moment(9999, 12, 31, 23, 59, 59, 999999), moment(1969, 12, 31, 23, 59, 59, 999999),
        moment(1970, 1, 1), moment(2020, 3, 29, 2, 30), moment(2024, 2, 29, 12, 0, 0, 123456),
        moment(2024, 2, 29, 12, 0, 0, 120000), moment(1582, 10, 10, 1, 2, 3, 400000),
    ],
    "updated": [
        moment(1970, 1, 1, 0, 0, 1, zone=dt.UTC), moment(2038, 1, 19, 3, 14, 7, 999999, zone=dt.UTC),
        moment(2020, 10, 25, 0, 30, zone=dt.UTC), moment(2020, 10, 25, 1, 30, 0, 500000, zone=dt.UTC),
        moment(2024, 12, 31, 23, 59, 59, 1, zone=dt.UTC),
    ],
    "token": [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1), uuid.UUID("0a5c2201-0d22-4e5c-8027-00090d0a5c30")],
    "data": [b"", b"\x00", b"\xff", b"\n", b"\\N", b"N", b"\\", bytes(range(256)), b"a\tb\\c\"d'e,f\r\n\x00\x1a", b" "],
    "payload": [
        "{}", "[]", '{"amount": 1.10}', '{"serial": 12345678901234567890}', '{"b": 1, "a": 2, "aa": 3}',
        '{"deep": {"list": [1, 1.50, null, true, {"x": ""}]}}', '{"city": "Zürich", "mood": "🙂"}',
        '{"escaped": "\\u00e9 \\ud83d\\ude42 \\" \\\\ \\n \\t"}', '[1, "two", [3.0, null]]',
        '{"html": "<a href=\'#\'>&"}',
    ],
    "tags": [
        [], ["a"], ["a,b"], ['say "hi"'], [None], ["a", None, "NULL", "null"], ["", " x "], ["{}", "\\", "\\N"],
        ["日本", "🙂"], ["b", "a"], ["x\ny"], ["tab\t"],
    ],
    "kind": KINDS,
}


def moved(source, start):
    """A moment within 63 years of the start, half of them in whole seconds."""
    microseconds = source.choice([0, source.randrange(10**6)])
    return start + dt.timedelta(seconds=source.randrange(2 * 10**9), microseconds=microseconds)


# usual values, where those of HARD are not the only ones
USUAL = {
    "code": lambda source: "".join(source.choices("ABCDEFGHJK0123456789", k=source.randint(2, 6))),
    "name": lambda source: " ".join(source.choices(["ash", "Birke", "chêne", "дуб", "fir"], k=source.randint(1, 4))),
    "quantity": lambda source: source.randint(-1000, 100_000),
    "total": lambda source: source.choice([source.randrange(10**6), source.randrange(2**64)]),
    "price": lambda source: Decimal(source.randint(-(10**6), 10**8)).scaleb(-2),
    "rate": lambda source: Decimal(source.randint(-(10**20), 10**25)).scaleb(-12),
    "score": lambda source: source.choice([source.uniform(-1000, 1000), source.randint(-1000, 1000) / 8]),
    "ratio": lambda source: float32(source.choice([source.random(), source.randint(0, 100) / 4])),
    "born": lambda source: dt.date(1930, 1, 1) + dt.timedelta(days=source.randrange(30_000)),
    "starts": lambda source: moved(source, dt.datetime(1970, 1, 1)).time(),
    "created": lambda source: moved(source, dt.datetime(1975, 1, 1)),
    "updated": lambda source: moved(source, dt.datetime(1971, 1, 1, tzinfo=dt.UTC)),
    "token": lambda source: uuid.UUID(int=source.getrandbits(128), version=4),
    "data": lambda source: source.randbytes(source.randint(1, 24)),
    "payload": lambda source: json.dumps({"size": source.randint(0, 99), "colour": source.choice(["red", "blue"])}),
    "tags": lambda source: source.sample(["gift", "express", "fragile", "b2b"], k=source.randint(1, 3)),
}


def rows(count=200, seed=1):
    """The table, in ascending order of its key."""
    source = random.Random(seed)
    ids = [-7]
    while len(ids) < count:
        ids.append(ids[-1] + source.randint(2, 9))
    ids[-1] = 2**53 + 1
    columns = {"id": ids[:count]}
    for column in list(TYPES)[1:]:
        nulls = [None] * max(1, count // 20)
        draw = USUAL.get(column, partial(random.Random.choice, seq=HARD[column]))
        values = (HARD[column] + nulls + [draw(source) for _ in range(count)])[:count]
        source.shuffle(values)
        columns[column] = values
    return [dict(zip(columns, values)) for values in zip(*columns.values())]


# the default has 28 digits
EXACT = Context(prec=40)

# each changes a value by so much that stores which round or cut it show the change as well
CHANGES = {
    "code": lambda value: "ZZ" + value[:2].strip(),
    "name": lambda value: value + "x",
    "active": lambda value: not value,
    "quantity": lambda value: value ^ 1,
    "total": lambda value: value + 1 if value < 2**52 else value // 2,
    "price": lambda value: value + 1 if value < 0 else value - 1,
    "rate": lambda value: EXACT.add(value, 1 if value < 0 else -1),
    "score": lambda value: 0.75 if value != 0.75 else 0.5,
    "ratio": lambda value: 0.75 if value != 0.75 else 0.5,
    "born": lambda value: value.replace(day=2 if value.day == 1 else 1),
    "starts": lambda value: value.replace(minute=(value.minute + 1) % 60),
    "created": lambda value: value.replace(hour=(value.hour + 1) % 24),
    "updated": lambda value: value.replace(hour=(value.hour + 1) % 24, minute=5),
    "token": lambda value: uuid.UUID(int=value.int ^ 1),
    "data": lambda value: value + b"\x01",
    "payload": lambda value: '{"changed": ' + value + "}",
    "tags": lambda value: [*value, "changed"],
    "kind": lambda value: KINDS[KINDS.index(value) - 1],
}


def defects(table, seed=1):
    """Plants two missing rows, two extra rows, and eight mismatches of eight columns in the rows; returns the list of
    them, by class, id, and column."""
    source = random.Random(f"defects {seed}")
    found = []
    for column in source.sample(list(CHANGES), k=8):
        taken = {defect["id"] for defect in found}
        at = source.choice([at for at, row in enumerate(table) if row["id"] not in taken and row[column] is not None])
        table[at] = {**table[at], column: CHANGES[column](table[at][column])}
        found.append({"class": "mismatch", "id": table[at]["id"], "column": column})
    taken = {defect["id"] for defect in found}
    for row in source.sample([row for row in table if row["id"] not in taken], k=2):
        table.remove(row)
        found.append({"class": "missing", "id": row["id"], "column": None})
    # ids are at least two apart
    for row in source.sample(table[:-1], k=2):
        table.append({**row, "id": row["id"] + 1})
        found.append({"class": "extra", "id": row["id"] + 1, "column": None})
    table.sort(key=lambda row: row["id"])
    return found
