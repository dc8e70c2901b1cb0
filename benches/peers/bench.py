"""Runs countersign and its peers in turn, checks that all agree, and prints medians, ratios and peak memory.

    ./run [--smoke] [--only WORKLOAD] [--rounds N] [--record FILE]

--smoke takes thousandths of the data, to see that everything still runs.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import data

HERE = pathlib.Path(__file__).parent
PLACE = pathlib.Path(os.environ.get("BENCH_DIR", pathlib.Path.home() / ".cache/countersign-bench"))
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", pathlib.Path.home() / ".cache/countersign-target")) / "release"
MEMORY_MAX = 16 << 30
SECONDS_MAX = 180
FAST = ["duckdb_join", "duckdb_hash"]
WRITING = ["duckdb_join_written", "duckdb_hash_written"]
SLOW = ["polars_streaming", "datafusion_sql", "deepdiff_rs", "datacompy_polars"]


class Contender:
    """A command and what its runs took."""

    def __init__(self, name, command, counts=None, once=False):
        self.name, self.command, self.counts, self.once = name, [str(part) for part in command], counts, once
        self.runs, self.failure = [], None

    def run(self, expected):
        """Runs once. What it counts, if it counts, has to be what is expected."""
        if self.failure or self.once and self.runs:
            return expected
        began = time.monotonic()
        process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        stopped, peaks = [], [0]
        watcher = threading.Thread(target=watch, args=(process.pid, stopped, peaks), daemon=True)
        watcher.start()
        out, err = process.stdout.read(), process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        if stopped or process.returncode not in (0, 1) or not out:
            last = err.decode().strip().splitlines()[-1:] or [f"exit {process.returncode}"]
            self.failure = stopped[0] if stopped else last[0][:80]
            return expected
        run = {"seconds": round(seconds, 3), "cpu": round(usage.ru_utime + usage.ru_stime, 3), "peak_bytes": peaks[-1]}
        self.runs.append(run)
        if self.counts is None:
            return expected
        counts = self.counts(json.loads(out))
        assert expected in (None, counts), f"{self.name} counts {counts}, and others {expected}"
        return counts

    def median(self, figure):
        return statistics.median(run[figure] for run in self.runs) if self.runs else None


def watch(pid, stopped, peaks):
    """Ends a process that takes too much or too long; that is a result, too. Notes its high-water mark, which
    the figures of a finished child do not tell apart from its parent's."""
    began = time.monotonic()
    while not stopped:
        try:
            lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
            rss = next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS"))
            peaks.append(next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM")))
        except (OSError, StopIteration):
            return
        if rss > MEMORY_MAX:
            stopped.append(f"needs more than {MEMORY_MAX >> 30} GiB")
        elif time.monotonic() - began > SECONDS_MAX:
            stopped.append(f"needs more than {SECONDS_MAX} s")
        time.sleep(0.01)
    os.kill(pid, 9)


def countersign(old, new, keys, *more, name="countersign", counted=True):
    command = [TARGET / "countersign", "diff", old, new, "--key", ",".join(keys), "--format", "json", "--quiet", *more]
    picked = lambda report: {kind: report["counts"][kind] for kind in ["matched", "mismatch", "missing", "extra"]}
    return Contender(name, command, picked if counted else None)


def countersign_job(old, new, keys, rules, name, *more):
    """The same as a job, which can have rules. Every run is written to a directory of its own."""
    place = pathlib.Path(tempfile.mkdtemp(dir=PLACE))
    columns = "".join(f"[compare.columns.{column}]\n{rule}\n" for column, rule in rules.items())
    key = ", ".join(f'"{key}"' for key in keys)
    (place / "job.toml").write_text(
        f'[job]\nname = "bench"\n[old]\npath = "{old}"\n[new]\npath = "{new}"\n[compare]\nkey = [{key}]\n{columns}'
        f'[output]\ndir = "{place}/runs"\n')
    made = countersign(old, new, keys, name=name)
    made.command = [str(part) for part in [TARGET / "countersign", "run", place / "job.toml", "--format", "json", "--quiet", *more]]
    return made


def floor(old, new, name="floor: decode, do nothing"):
    return Contender(name, [TARGET / "floor", old, new])


def peer(name, old, new, keys, memory=None, functions=None):
    environment = "datacompy" if name == "datacompy_polars" else "peers"
    if name == "csv_diff":
        old, new = data.as_csv(old), data.as_csv(new)
    command = [PLACE / environment / "bin/python", HERE / "peers.py", name, old, new, ",".join(keys)]
    # the slow ones run once; a round more would change nothing
    command += [memory or "14GB"] + ([json.dumps(functions)] if functions else [])
    return Contender(name, command, lambda counts: counts, name in SLOW)


def workloads(place, scale, small, scales):
    """Each: a name, and a function that makes its contenders. SCALE is that of the headline."""
    lineitem = data.LINEITEM_KEY

    def on_lineitem(scale, permille, peers, *more, name="countersign", memory=None, **kind):
        old = data.lineitem(place, scale)
        new = data.changed_lineitem(old, permille, **kind)
        ours = [floor(old, new), countersign(old, new, lineitem, *more, name=name)]
        return ours + [peer(name, old, new, lineitem, memory) for name in peers]

    def threads():
        old = data.lineitem(place, scale)
        new = data.changed_lineitem(old, 2)
        return [countersign(old, new, lineitem, "--threads", n, name=f"countersign, {n} thread(s)") for n in (1, 2)]

    def few_row_groups():
        old = data.lineitem(place, small)
        new = data.changed_lineitem(old, 2)
        pairs = [(f"{one} and {two} row groups", data.regrouped(old, one), data.regrouped(new, two)) for one, two in ((7, 12), (1, 1))]
        pairs.append(("1 and 1 row groups with a page index", data.paged(old), data.paged(new)))
        return [countersign(one, two, lineitem, "--threads", n, name=f"{name}, {n} thread(s)")
                for name, one, two in pairs for n in (1, 2)] + [peer(name, old, new, lineitem) for name in FAST]

    def rules(name, shuffled):
        plain = data.lineitem(place, small)
        old = data.padded_lineitem(plain, "both") if name == "both" else plain
        new = data.padded_lineitem(plain, "one", shuffled)
        unpadded = data.changed_lineitem(plain, 0, shuffled=shuffled)
        rules = {"l_shipinstruct": "rtrim = true", "l_shipmode": "rtrim = true"}
        functions = {"l_shipinstruct": "rtrim", "l_shipmode": "rtrim"}
        if name == "both":
            rules["l_comment"], functions["l_comment"] = "casefold = true", "lower"
        return [countersign_job(plain, unpadded, lineitem, {}, "countersign, unpadded, without rules"), countersign_job(old, new, lineitem, rules, "countersign")] + [
            peer(name, old, new, lineitem, functions=functions) for name in FAST]

    def hashed_rare():
        old = data.lineitem(place, scale)
        new = data.rare_lineitem(old)
        return [floor(old, new), countersign(old, new, lineitem)] + [peer(name, old, new, lineitem) for name in FAST]

    def identical_chunks():
        old = data.lineitem(place, small)
        new = data.identical(old)
        return [floor(old, new), countersign(old, new, lineitem)] + [peer(name, old, new, lineitem) for name in FAST]

    def scaling():
        pairs = [(old, data.changed_lineitem(old, 2)) for old in (data.lineitem(place, scale) for scale in scales)]
        return [make(old, new) for old, new in pairs for make in (
            lambda old, new: floor(old, new, name=f"floor, {old.parent.name}"),
            lambda old, new: countersign(old, new, lineitem, name=f"countersign, {old.parent.name}", counted=False))]

    def written(old, new, keys, peers):
        out = tempfile.mkdtemp(dir=place)
        ours = countersign(old, new, keys, "--out", f"{out}/run", name="countersign, all lists written")
        ours.command = ["sh", "-c", 'rm -rf "$0"; exec "$@"', f"{out}/run", *ours.command]
        return [floor(old, new), ours] + [peer(name, old, new, keys) for name in peers]

    pair = lambda makes, peers: (lambda old, new: [floor(old, new), countersign(old, new, ["id"])] + [peer(name, old, new, ["id"]) for name in peers])(*makes)
    limited = ["--memory", "512MiB"]
    return {
        "ordered": lambda: on_lineitem(scale, 2, FAST + SLOW),
        "hashed": lambda: on_lineitem(scale, 2, FAST, shuffled=True),
        "hashed-512MiB": lambda: on_lineitem(scale, 2, FAST, *limited, name="countersign --memory 512MiB", memory="512MB", shuffled=True),
        "ordered-0": lambda: on_lineitem(small, 0, FAST),
        "ordered-20-percent": lambda: on_lineitem(small, 200, FAST),
        "ordered-5-percent-missing": lambda: on_lineitem(small, 2, FAST, missing=True),
        "wide-20-percent": lambda: written(*data.wide(place), ["id"], WRITING + FAST + SLOW),
        "narrow": lambda: pair(data.narrow(place, data.ROWS["narrow"], "narrow"), FAST + SLOW),
        "narrow-small": lambda: pair(data.narrow(place, min(data.ROWS["narrow"], 200_000), "narrow-small"), FAST + ["deepdiff_rs", "datacompy_polars", "csv_diff"]),
        "ordered-few-row-groups": few_row_groups,
        "rules-every-row": lambda: rules("one", False),
        "rules-every-row-hashed": lambda: rules("one", True),
        "rules-three-columns": lambda: rules("both", False),
        "rules-three-columns-hashed": lambda: rules("both", True),
        "hashed-rare": hashed_rare,
        "identical-chunks": identical_chunks,
        "wide-rare-5000": lambda: pair(data.wide_rare(place, *data.WIDE_RARE[0]), FAST),
        "wide-rare-200": lambda: pair(data.wide_rare(place, *data.WIDE_RARE[1]), FAST),
        "threads": threads,
        "scaling": scaling,
        "tiny": lambda: pair(data.narrow(place, data.ROWS["tiny"], "tiny"), ["duckdb_join"]),
    }


def table(name, contenders):
    base = contenders[0].median("seconds")
    lines = [f"### {name}", "", "| | seconds | of the first | cpu seconds | peak memory | spread |", "| --- | --- | --- | --- | --- | --- |"]
    for each in contenders:
        if each.failure:
            lines.append(f"| {each.name} | did not finish: {each.failure} | | | | |")
            continue
        seconds, spread = each.median("seconds"), [run["seconds"] for run in each.runs]
        lines.append(
            f"| {each.name} | {seconds:.2f} | {seconds / base:.2f} | {each.median('cpu'):.2f} "
            f"| {each.median('peak_bytes') / 2**20:,.0f} MiB | {min(spread):.2f} to {max(spread):.2f} |")
    return "\n".join(lines) + "\n"


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--smoke", action="store_true")
    asked.add_argument("--only", action="append")
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--record", type=pathlib.Path, help="where the tables (.md) and the raw figures (.json) go")
    asked = asked.parse_args()
    if asked.record:
        asked.record = pathlib.Path(os.environ.get("CALLED_FROM", ".")) / asked.record
        asked.record.with_suffix(".md").touch()  # now, and not after half an hour
    place = PLACE / ("smoke" if asked.smoke else "data")
    if asked.smoke:
        data.ROWS.update(wide=1_000, narrow=10_000)
        data.WIDE_RARE[:] = [(300, 200), (20, 5_000)]
    scale, small, scales = (0.005, 0.001, [0.001, 0.005]) if asked.smoke else (5, 1, [1, 5, 20])
    version = subprocess.run([TARGET / "countersign", "--version"], capture_output=True, text=True).stdout.strip()
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    machine = f"{os.cpu_count()} × {cpu}, {os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') >> 30} GiB, {platform.system()}"
    print(f"{version}; {machine}; median of {asked.rounds} rounds, warm cache\n", flush=True)
    tables, raw = [], {}
    for name, make in workloads(place, scale, small, scales).items():
        if asked.only and name not in asked.only:
            continue
        contenders, expected = make(), None
        for _ in range(asked.rounds):
            for each in contenders:
                expected = each.run(expected)
        tables.append(table(name, contenders))
        raw[name] = {each.name: {"command": [pathlib.Path(part).name if "/" in part else part for part in each.command], "runs": each.runs, "failure": each.failure} for each in contenders}
        print(tables[-1], flush=True)
        ours = [each for each in contenders if each.name.startswith("countersign")]
        if any(each.failure for each in ours):
            sys.exit(f"countersign failed in {name}: {[each.failure for each in ours]}")
    if asked.record:
        head = f"{version}; {machine}; {time.strftime('%Y-%m-%d')}; median of {asked.rounds} rounds, warm cache\n\n"
        asked.record.with_suffix(".md").write_text(head + "\n".join(tables))
        asked.record.with_suffix(".json").write_text(json.dumps({"machine": machine, "version": version, "workloads": raw}, indent=1) + "\n")


if __name__ == "__main__":
    main()
