"""Tables drawn from a seed, and the settings that pyarrow writes them with."""

import math
import random
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq


def settings(table, rng):
    chosen = {
        "version": rng.choice(["1.0", "2.4", "2.6"]),
        "compression": rng.choice(["none", "snappy", "gzip", "brotli", "zstd", "lz4"]),
        "row_group_size": rng.choice([1, 7, 64, 1000]) if table.num_rows < 300 else rng.choice([64, 1000]),
        "data_page_version": rng.choice(["1.0", "2.0"]),
        "data_page_size": rng.choice([64, 1000, 1 << 20]),
        "max_rows_per_page": rng.choice([1, 20, 20_000]),
        "write_batch_size": rng.choice([1, 7, 1024]),
        "write_statistics": rng.random() < 0.7,
        "write_page_index": rng.random() < 0.5,
        "write_page_checksum": rng.random() < 0.5,
        "use_compliant_nested_type": rng.random() < 0.5,
        "store_schema": rng.random() < 0.5,
        "use_dictionary": rng.random() < 0.5,
        "dictionary_pagesize_limit": rng.choice([100, 1 << 20]),
    }
    schema = str(table.schema)
    # without its Arrow schema a duration is a number
    chosen["store_schema"] |= "duration" in schema
    # INT96 has no zone, and is an instant or a wall clock as the reader likes; it reaches beyond nanoseconds, where
    # readers wrap around
    if "timestamp[ns]" in schema and schema.count("timestamp[") == schema.count("timestamp[ns]") and rng.random() < 0.5:
        chosen["use_deprecated_int96_timestamps"] = True
    if not chosen["use_dictionary"]:
        encodings = {field.name: encoding(field.type, rng) for field in table.schema}
        chosen["column_encoding"] = {name: which for name, which in encodings.items() if which}
    return chosen


def encoding(kind, rng):
    t = pa.types
    if t.is_boolean(kind):
        return rng.choice(["PLAIN", "RLE"])
    if t.is_integer(kind) or t.is_timestamp(kind) or t.is_date32(kind) or t.is_time(kind):
        return rng.choice(["PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"])
    if t.is_float32(kind) or t.is_float64(kind):
        return rng.choice(["PLAIN", "BYTE_STREAM_SPLIT"])
    if t.is_string(kind) or t.is_binary(kind):
        return rng.choice(["PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"])
    return None


def write(table, path, seed):
    """Writes with drawn settings; with fewer of them where a table does not go with what was drawn."""
    chosen = settings(table, random.Random(seed))
    errors = []
    for _ in range(4):
        try:
            pq.write_table(table, path, **chosen)
            return {"written": {name: str(value) for name, value in chosen.items()}}
        except (pa.ArrowException, NotImplementedError, ValueError, TypeError, OSError) as error:
            errors.append(f"{type(error).__name__}: {error}"[:300])
            # nothing may be coerced with a loss
            chosen["version"] = "2.6"
            for name in (["column_encoding"], ["use_deprecated_int96_timestamps"], ["max_rows_per_page"])[len(errors) - 1:len(errors)]:
                chosen.pop(name[0], None)
    return {"refused": errors[-1]}


TEXTS = ["", "a", "A", "a ", "NULL", "é", "e\u0301", "long enough to leave the view", "x\0y", "\U0001f600"]


def draw(seed):
    rng = random.Random(seed)
    rows = rng.choice([0, 1, 30, 100, 200, 700])
    numbers = list(range(rows))
    if rng.random() < 0.5:
        rng.shuffle(numbers)
    columns = {"id": pa.array(numbers, rng.choice([pa.int64(), pa.int32(), pa.uint16(), pa.decimal128(12, 3)]))}
    for at in range(rng.randint(1, 7)):
        # pyarrow makes no arrays of UUIDs inside of others
        kind = pa.uuid() if rng.random() < 0.05 else draw_type(rng, rng.choice([0, 0, 1, 2, 3]))
        columns[f"c{at}"] = pa.array([value(kind, rng) for _ in numbers], kind)
    table = pa.table(columns)
    # chunks, as a table that came from several batches has them; pyarrow cannot slice views
    if "string_view" in str(table.schema):
        return table
    return pa.concat_tables([table.slice(0, rows // 3), table.slice(rows // 3)]) if rng.random() < 0.3 else table


def draw_type(rng, depth):
    if depth and rng.random() < 0.7:
        def field(name):
            kind = draw_type(rng, depth - 1)
            return pa.field(name, kind, pa.types.is_null(kind) or rng.random() < 0.7)
        item = lambda: field(rng.choice(["item", "element", "x"]))
        return rng.choice([
            lambda: pa.list_(item()),
            lambda: pa.large_list(item()),
            lambda: pa.list_(item(), rng.choice([1, 3])),
            lambda: pa.struct([field(f"f{at}") for at in range(rng.randint(1, 3))]),
            lambda: pa.map_(rng.choice([pa.string(), pa.int16(), pa.date32()]), draw_type(rng, depth - 1)),
        ])()
    return rng.choice([
        pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(),
        pa.bool_(), pa.float16(), pa.float32(), pa.float64(), pa.string(), pa.large_string(), pa.string_view(),
        pa.binary(), pa.large_binary(), pa.binary(5), pa.date32(), pa.date64(), pa.time32("s"), pa.time32("ms"),
        pa.time64("us"), pa.time64("ns"), pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("us"), pa.timestamp("ns"),
        pa.timestamp("us", "UTC"), pa.timestamp("ms", "America/New_York"), pa.duration("ms"), pa.decimal128(5, 2),
        pa.decimal128(18, 0), pa.decimal128(38, 10), pa.decimal256(60, 3), pa.null(), pa.dictionary(pa.int8(), pa.string()),
        pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int16(), pa.int64()),
    ])


def value(kind, rng, nullable=True):
    t = pa.types
    if t.is_null(kind) or nullable and rng.random() < 0.15:
        return None
    if isinstance(kind, pa.UuidType):
        return rng.randbytes(16)
    if t.is_dictionary(kind):
        # no more than the smallest codes can tell apart
        return rng.choice(TEXTS) if t.is_string(kind.value_type) else rng.randint(-40, 40)
    if t.is_boolean(kind):
        return rng.random() < 0.5
    if t.is_integer(kind):
        bits, signed = kind.bit_width, t.is_signed_integer(kind)
        least, most = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        return rng.choice([least, most, rng.randint(least, most), rng.randint(0, 9), 0])
    if t.is_floating(kind):
        return rng.choice([0.0, -0.0, 0.5, -3.0, math.nan, math.inf, -math.inf, float(rng.randint(-2000, 2000))])
    if t.is_decimal(kind):
        end = 10**kind.precision - 1
        # as digits, since the module's context would round
        number = rng.choice([end, -end, rng.randint(-end, end), 0])
        return Decimal((number < 0, tuple(map(int, str(abs(number)))), -kind.scale))
    if t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind):
        return rng.choice(TEXTS) if rng.random() < 0.5 else "prefix/" * rng.randint(0, 3) + str(rng.randint(0, 9999))
    if t.is_fixed_size_binary(kind):
        return rng.randbytes(kind.byte_width)
    if t.is_binary(kind) or t.is_large_binary(kind):
        return rng.randbytes(rng.choice([0, 1, 3, 30]))
    if t.is_date32(kind):
        return rng.choice([-(1 << 31), (1 << 31) - 1, rng.randint(-100_000, 100_000), 0])
    if t.is_date64(kind):
        return rng.randint(-100_000, 100_000) * 86_400_000
    if t.is_time(kind):
        return rng.randint(0, 86_400 * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit] - 1)
    if t.is_timestamp(kind) or t.is_duration(kind):
        # seconds are stored as milliseconds
        end = (1 << 63) // 1001 if kind.unit == "s" else (1 << 63) - 1
        return rng.choice([-end, end, rng.randint(-end, end), 0, rng.randint(-10**6, 10**6)])
    if t.is_struct(kind):
        return {kind.field(at).name: value(kind.field(at).type, rng, kind.field(at).nullable) for at in range(kind.num_fields)}
    if t.is_map(kind):
        keys = {value(kind.key_type, rng, False) for _ in range(rng.randint(0, 3))}
        return [(key, value(kind.item_type, rng)) for key in sorted(keys)]
    length = kind.list_size if t.is_fixed_size_list(kind) else rng.choice([0, 1, 2, 4])
    return [value(kind.value_type, rng, kind.value_field.nullable) for _ in range(length)]
