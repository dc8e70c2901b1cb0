"""What pyarrow reads in Parquet files, compared by countersign's definition of equal.

Reads one question a line from standard input, and answers each with a line of JSON:

* `compare`: which rows of two files are equal, differ, or are on one side only
* `rewrite`: write what a file holds once more, with drawn settings
* `make`: write a drawn table as Parquet, and as Arrow IPC, which says what it holds without Parquet
"""

import json
import resource
import sys
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

import tables

# a damaged length must not take the machine down
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))

NAN = "NaN"


def read(path):
    table = pq.ParquetFile(path, arrow_extensions_enabled=True).read()
    table.validate()
    return table


def extension(kind):
    return kind.extension_name if isinstance(kind, pa.BaseExtensionType) else None


def family(kind):
    """Values of one family compare with each other, and with no other's."""
    t = pa.types
    if extension(kind):
        return extension(kind)
    if t.is_dictionary(kind):
        return family(kind.value_type)
    if t.is_run_end_encoded(kind):
        return family(kind.value_type)
    if t.is_integer(kind) or t.is_floating(kind) or t.is_decimal(kind):
        return "number"
    if t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind):
        return "text"
    if t.is_binary(kind) or t.is_large_binary(kind) or t.is_binary_view(kind) or t.is_fixed_size_binary(kind):
        return "binary"
    if t.is_timestamp(kind):
        return "instant" if kind.tz else "wall clock"
    if t.is_map(kind):
        return ["map", family(kind.key_type), family(kind.item_type)]
    if t.is_nested(kind) and not t.is_struct(kind):
        return ["list", family(kind.value_type)]
    if t.is_struct(kind):
        return ["struct", {kind.field(at).name: family(kind.field(at).type) for at in range(kind.num_fields)}]
    for name in ("null", "boolean", "date", "time", "duration"):
        if getattr(t, f"is_{name}")(kind):
            return name
    return str(kind)


def fits(one, two):
    """Whether two families compare; a column of nothing but NULL compares with every other."""
    if "null" in (one, two):
        return True
    if isinstance(one, list) and isinstance(two, list) and one[0] == two[0]:
        if one[0] == "struct":
            return one[1].keys() == two[1].keys() and all(fits(one[1][name], two[1][name]) for name in one[1])
        return all(fits(a, b) for a, b in zip(one[1:], two[1:]))
    return one == two


TICKS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def number(value):
    # Python compares int, float and Decimal by exact value, and -0.0 is 0.0
    return NAN if value is not None and value != value else value


def ticks(array, unit):
    return [None if value is None else value * TICKS[unit] for value in array.view(pa.int64()).to_pylist()]


def cells(array):
    """One Python object per cell; equal objects are equal cells."""
    t, kind = pa.types, array.type
    if extension(kind) == "arrow.json":
        return [None if value is None else document(value) for value in array.storage.to_pylist()]
    if extension(kind):
        return cells(array.storage)
    if t.is_dictionary(kind):
        return cells(array.dictionary_decode())
    if t.is_float16(kind):
        return cells(array.cast(pa.float32()))
    if t.is_floating(kind) or t.is_decimal(kind):
        return [number(value) for value in array.to_pylist()]
    if t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind):
        return array.cast(pa.large_string()).cast(pa.large_binary()).to_pylist()
    if t.is_date32(kind):
        return array.view(pa.int32()).to_pylist()
    if t.is_date64(kind):
        return [None if value is None else value / 86_400_000 for value in array.view(pa.int64()).to_pylist()]
    if t.is_time32(kind):
        return [None if value is None else value * TICKS[kind.unit] for value in array.view(pa.int32()).to_pylist()]
    if t.is_time64(kind) or t.is_timestamp(kind) or t.is_duration(kind):
        return ticks(array, kind.unit)
    if t.is_struct(kind):
        names = [kind.field(at).name for at in range(kind.num_fields)]
        fields = [cells(field) for field in array.flatten()]
        rows = [dict(zip(names, row)) for row in zip(*fields)] if fields else [{}] * len(array)
        return nulled(array, rows)
    if t.is_map(kind):
        keys, items, offsets = cells(array.keys), cells(array.items), array.offsets.to_pylist()
        entry = lambda a, b: sorted(zip(map(repr, keys[a:b]), items[a:b]), key=lambda pair: pair[0])
        return nulled(array, [entry(a, b) for a, b in zip(offsets, offsets[1:])])
    if t.is_fixed_size_list(kind):
        items, size = cells(array.flatten()), kind.list_size
        there, rows = iter(range(0, len(items), size) if size else [0] * len(array)), []
        for valid in array.is_valid().to_pylist():
            at = next(there) if valid else None
            rows.append(items[at:at + size] if valid else None)
        return rows
    if t.is_list(kind) or t.is_large_list(kind):
        items, offsets = cells(array.values), array.offsets.to_pylist()
        return nulled(array, [items[a:b] for a, b in zip(offsets, offsets[1:])])
    return array.to_pylist()


def nulled(array, rows):
    return [row if valid else None for row, valid in zip(rows, array.is_valid().to_pylist())]


def document(text):
    """JSON by meaning; `True` must not be 1."""
    def tagged(value):
        if isinstance(value, dict):
            return {name: tagged(part) for name, part in value.items()}
        if isinstance(value, list):
            return [tagged(part) for part in value]
        return f"{value}" if isinstance(value, bool) else ("text", value) if isinstance(value, str) else value
    try:
        return ("json", tagged(json.loads(text, parse_float=Decimal, parse_int=Decimal)))
    except ValueError:  # damage
        return ("text", text)


def compare(ask):
    try:
        old, new = read(ask["old"]), read(ask["new"])
    except Exception as error:  # whatever it raises, it does not read the file
        return {"refused": f"{type(error).__name__}: {error}"[:300]}
    new = renamed(old, new)
    names = [name for name in old.schema.names if name in new.schema.names and name not in ask["ignore"]]
    gaps = [name for name in set(old.schema.names) ^ set(new.schema.names) if name not in ask["ignore"]]
    if len(set(old.schema.names)) < old.num_columns or len(set(new.schema.names)) < new.num_columns:
        return {"refused": "a name stands twice"}
    families = [name for name in names if not fits(*(family(side.field(name).type) for side in (old, new)))]
    if any(name not in names for name in ask["key"]) or families:
        return {"apart": families or ask["key"]}
    values = [{name: column(side, name) for name in names} for side in (old, new)]
    rest = [name for name in names if name not in ask["key"]]
    sides = [[{}, side] for side in values]
    for places, side in sides:
        keys = [map(repr_key, side[name]) for name in ask["key"]]
        for place, key in enumerate(zip(*keys)):
            places.setdefault(key, []).append(place)
    (old_keys, old_values), (new_keys, new_values) = sides
    answer = {"gaps": sorted(gaps), "matched": 0, "mismatch": [], "missing": [], "extra": [], "duplicate_keys": 0,
              "by_column": {name: 0 for name in names}, "rows": [old.num_rows, new.num_rows]}
    # a damaged file may have lost the column that tells rows apart
    label = lambda side, place: side["row"][place] if "row" in side else place
    for key, places in old_keys.items():
        others = new_keys.get(key, [])
        if len(places) > 1 or len(others) > 1:
            answer["duplicate_keys"] += 1
        elif not others:
            answer["missing"].append(label(old_values, places[0]))
        else:
            differ = [name for name in rest if old_values[name][places[0]] != new_values[name][others[0]]]
            for name in differ:
                answer["by_column"][name] += 1
            if differ:
                answer["mismatch"].append(label(old_values, places[0]))
            else:
                answer["matched"] += 1
    for key, places in new_keys.items():
        if key not in old_keys:
            if len(places) > 1:
                answer["duplicate_keys"] += 1
            else:
                answer["extra"].append(label(new_values, places[0]))
    for name in ("mismatch", "missing", "extra"):
        answer[name].sort(key=lambda row: (row is None, row))
    return answer


def renamed(old, new):
    """New with old's names where only their case differs."""
    folded = lambda side, name: sum(other.lower() == name.lower() for other in side.schema.names) == 1
    names = {name.lower(): name for name in old.schema.names if name not in new.schema.names and folded(old, name)}
    return new.rename_columns([names.get(name.lower(), name) if folded(new, name) else name for name in new.schema.names])


def repr_key(value):
    return repr(value) if isinstance(value, (list, dict)) else value


def column(table, name):
    return [cell for chunk in table.column(name).chunks for cell in cells(chunk)]


def rewrite(ask):
    try:
        table = read(ask["from"])
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"[:300]}
    return tables.write(table, ask["to"], ask["seed"])


def make(ask):
    table = tables.draw(ask["seed"])
    with pa.OSFile(ask["ipc"], "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return tables.write(table, ask["to"], ask["seed"])


ANSWERS = {"compare": compare, "rewrite": rewrite, "make": make}

for line in sys.stdin:
    question = json.loads(line)
    print(json.dumps(ANSWERS[question["ask"]](question)), flush=True)
