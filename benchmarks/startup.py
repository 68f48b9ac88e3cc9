"""E1, E2, E3: what a line of a crontab costs: reading commands, a run of an empty job, many due at once."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from .figures import Options, Row, at_least, at_most, median, note
from .quiet import wait_for_rest
from .server import durable_server

JOBS = 20
ROUNDS = 9

_JOBS_FILE = f'''"""Jobs that do nothing."""
from sexton import Job, every

def nothing(run):
    return None

for number in range({JOBS}):
    globals()[f"job_{{number}}"] = Job(f"benchmark.nothing_{{number}}", schedule=every("1h"), work=nothing)
'''
_PLAIN = """import argparse
parser = argparse.ArgumentParser()
parser.add_argument("url")
from sqlalchemy import create_engine, text
engine = create_engine(parser.parse_args().url)
with engine.begin() as connection:
    connection.execute(text("SELECT 1"))
"""
_OBSERVER = """import json, os, sys, time
began = time.perf_counter()
_, status, usage = os.wait4(os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:]), 0)
seconds = time.perf_counter() - began
code = os.waitstatus_to_exitcode(status)
print(json.dumps([code, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]), file=sys.stderr)
"""
# A process begins with the peak memory of the one that started it; ours is large, so a small one stands between.
_LOADED = "import sys; from sexton.cli.main import main; main({words!r}); print('sqlalchemy' in sys.modules)"
_COMMAND = "import sys; from sexton.cli.main import main; sys.exit(main(sys.argv[1:]))"


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one process. processor: seconds it computed.  memory: peak in MB."""

    seconds: float
    processor: float
    memory: float


def run(options: Options) -> list[Row]:
    """All three; processes of both sides take turns."""
    if subprocess.run([sys.executable, "-c", "import sexton.cli.main"], capture_output=True, check=False).returncode:
        note("  E1 to E3: there is no command line yet, left out")
        return []
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="sexton-benchmark-") as name, durable_server() as server:
        folder = Path(name)
        (folder / "jobs.py").write_text(_JOBS_FILE)
        (folder / "plain.py").write_text(_PLAIN)
        urls = {"SQLite": f"sqlite:///{folder}/sexton.db", "PostgreSQL": server.create_database("startup")}
        rows += _reading(folder, urls["SQLite"])
        for kind, url in urls.items():
            _settings(folder, url)
            _process(folder, ["-c", _COMMAND, "migrate"])
            rows += _one_run(folder, kind, url)
            rows += _many(folder, kind)
    return rows


def _settings(folder: Path, url: str) -> None:
    (folder / "sexton.toml").write_text(f'database = "{url}"\njobs = ["jobs.py"]\n')


def _reading(folder: Path, url: str) -> list[Row]:
    _settings(folder, url)
    _process(folder, ["-c", _COMMAND, "migrate"])
    rows = []
    for words in (["--help"], ["jobs"], ["calendar"]):
        loaded = _output(folder, ["-c", _LOADED.format(words=words)]).splitlines()[-1:] == ["True"]
        pairs = _turns(folder, ["-c", "pass"], ["-c", _COMMAND, *words])
        ratios = [ours.seconds / bare.seconds for bare, ours in pairs]
        note(f"  sexton {words[0]}: {_line(pairs)}; SQLAlchemy {'IS' if loaded else 'not'} imported")
        row = at_most("E1", f"sexton {words[0]}: <= 5 x bare Python, without SQLAlchemy", ratios, 5.0)
        row["met"] = bool(row["met"]) and not loaded
        rows.append(row)
    return rows


def _one_run(folder: Path, kind: str, url: str) -> list[Row]:
    pairs = _turns(folder, ["plain.py", url], ["-c", _COMMAND, "run", "benchmark.nothing_0"])
    note(f"  {kind}, one run: {_line(pairs)}")
    processor = [ours.processor / plain.processor for plain, ours in pairs]
    wall = [ours.seconds / plain.seconds for plain, ours in pairs]
    memory = [ours.memory / plain.memory for plain, ours in pairs]
    against = "argparse + SQLAlchemy + SELECT 1"
    return [
        at_most("E2", f"{kind}: run of an empty job <= 1.15 x {against}, processor time", processor, 1.15),
        at_most("E2", f"{kind}: the same, wall time", wall, 1.15),
        at_most("E2", f"{kind}: the same, memory <= 1.2", memory, 1.2),
    ]


def _many(folder: Path, kind: str) -> list[Row]:
    """In the first round all jobs are due at once; later rounds run them again by hand in one process's place."""
    wait_for_rest()
    began = time.perf_counter()
    _process(folder, ["-c", _COMMAND, "run", "--due", "--quiet"])
    together = time.perf_counter() - began
    began = time.perf_counter()
    for number in range(JOBS):
        _process(folder, ["-c", _COMMAND, "run", f"benchmark.nothing_{number}", "--quiet"])
    apart = time.perf_counter() - began
    note(f"  {kind}, {JOBS} jobs: one `run --due` {together:.2f} s, {JOBS} runs {apart:.2f} s")
    return [
        at_least(
            "E3",
            f"{kind}: {JOBS} due jobs in one process >= 5 x faster than in {JOBS}",
            [apart / together],
            5.0,
        )
    ]


def _line(pairs: list[tuple[Cost, Cost]]) -> str:
    parts = []
    for place, label in ((0, "other"), (1, "ours")):
        costs = [pair[place] for pair in pairs]
        parts.append(
            f"{label} {median([cost.seconds for cost in costs]) * 1e3:.0f} ms,"
            f" {median([cost.processor for cost in costs]) * 1e3:.0f} ms processor,"
            f" {median([cost.memory for cost in costs]):.0f} MB"
        )
    return " | ".join(parts)


def _turns(folder: Path, other: list[str], ours: list[str]) -> list[tuple[Cost, Cost]]:
    wait_for_rest()
    _process(folder, other), _process(folder, ours)
    return [(_process(folder, other), _process(folder, ours)) for _ in range(ROUNDS)]


def _process(folder: Path, words: list[str]) -> Cost:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _OBSERVER, sys.executable, *words],
        cwd=folder,
        capture_output=True,
        check=False,
        text=True,
    )
    code, seconds, processor, peak = json.loads(done.stderr.splitlines()[-1])
    if code:
        raise RuntimeError(f"{words[:1]} … {words[2:]} ended with {code}: {done.stderr}")
    return Cost(seconds, processor, peak / (1024 if sys.platform == "linux" else 1024 * 1024))


def _output(folder: Path, words: list[str]) -> str:
    return subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, check=False, text=True).stdout
