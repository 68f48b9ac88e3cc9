"""J1: what our layer costs each engine: its own no-op jobs against ours that it carries, a hundred numbers a message.

Both are drained by one worker of the engine with one process: its own by a worker that knows one function, ours by
`sexton worker --engine`, with `sexton scheduler` beside it that hands the numbers on.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from tests.support.redis_server import RedisServer

from sexton.app import App
from sexton.testing import postgres

from .figures import Options, Row, median, note
from .on_demand import JOBS, procrastinate_rate
from .quiet import wait_for_rest
from .server import connect, create_template, durable_server, scalar

LEAST = 0.9
OURS = 20_000
CELERY_OWN, RQ_OWN, PROCRASTINATE_OWN = 4_000, 200, 3_000

CELERY = """from celery import Celery
app = Celery("own", broker=__import__("os").environ["OWN_BROKER"])
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=1)

@app.task(name="nothing")
def nothing(number):
    return None
"""
RQ = """def nothing(number):
    return None
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where both sides run. environment: of each process; its broker is in OWN_BROKER."""

    server: postgres.Server
    folder: Path
    environment: dict[str, str]

    @property
    def broker(self) -> str:
        """Address of the Redis."""
        return self.environment["OWN_BROKER"]


@contextmanager
def _process(place: Place, *command: str) -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=place.folder,
        env=place.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield
        finally:
            process.terminate()


def run(options: Options) -> list[Row]:
    """Each engine, its own rate and ours, interleaved."""
    sides: dict[str, tuple[Callable[[Place], float], str]] = {
        "procrastinate": (lambda place: procrastinate_rate(place.server, PROCRASTINATE_OWN), ""),
        "celery": (_celery, 'broker = "env:OWN_BROKER"'),
        "rq": (_rq, 'url = "env:OWN_BROKER"'),
    }
    with (
        tempfile.TemporaryDirectory(prefix="sexton-benchmark-") as name,
        durable_server() as server,
        RedisServer() as redis,
    ):
        redis.boot()
        place = Place(
            server, Path(name), {**os.environ, "OWN_BROKER": redis.url, "PYTHONPATH": os.pathsep.join(sys.path)}
        )
        return [_row(engine, own, lines, place, options.rounds) for engine, (own, lines) in sides.items()]


def _row(engine: str, own: Callable[[Place], float], lines: str, place: Place, rounds: int) -> Row:
    ratios = []
    for _ in range(rounds):
        wait_for_rest()
        theirs, ours = own(place), _ours(engine, lines, place)
        ratios.append(ours / theirs)
        note(f"  J1: {engine}: {theirs:,.0f} of its own jobs/s, {ours:,.0f} of ours: {ours / theirs:.2f}")
    return Row(
        id="J1",
        target=f"{engine} carries our jobs on demand at {LEAST} of the rate of its own, or more",
        measured=f"{median(ratios):.2f}",
        met=median(ratios) >= LEAST,
    )


def _ours(engine: str, lines: str, place: Place) -> float:
    """Jobs a second, from the COMMIT of all of them to the end of the last."""
    url = create_template(place.server, f"ours_{engine}")
    (place.folder / "benchmark_jobs.py").write_text(JOBS)
    settings = place.folder / f"{engine}.toml"
    text = f'database = "{url}"\njobs = ["benchmark_jobs.py"]\nengine = "{engine}"\n[engines.{engine}]\n{lines}\n'
    settings.write_text(text)
    place.environment["SEXTON_CONFIG"] = str(settings)
    os.environ["OWN_BROKER"] = place.broker
    app = App.load(settings)
    if engine == "procrastinate":
        command = [sys.executable, "-m", "sexton.cli.main", "engines", "migrate"]
        subprocess.run(command, check=True, env=place.environment, cwd=place.folder, stdout=subprocess.DEVNULL)
    try:
        with ExitStack() as processes:
            processes.enter_context(_process(place, "sexton.cli.main", "scheduler"))
            processes.enter_context(
                _process(place, "sexton.cli.main", "worker", f"--engine={engine}", "--concurrency=1")
            )
            _drained(app, url, 200)  # everything is loaded
            return OURS / _drained(app, url, OURS)
    finally:
        app.database.dispose()


def _drained(app: App, url: str, jobs: int) -> float:
    with connect(url) as connection:
        connection.execute("VACUUM ANALYZE sexton.requests")
        app.enqueue_many("benchmark.counted", ({"number": number} for number in range(jobs)))
        began = time.perf_counter()
        _until(lambda: not scalar(connection, "SELECT EXISTS (SELECT 1 FROM sexton.requests)"))
        return time.perf_counter() - began


def _celery(place: Place) -> float:
    (place.folder / "own_celery.py").write_text(CELERY)
    script = f"import own_celery\nfor number in range({CELERY_OWN}): own_celery.nothing.delay(number)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=place.folder, env=place.environment)
    worker = ("celery", "-A", "own_celery", "worker", "--pool=prefork", "--concurrency=1", "--loglevel=ERROR")
    with Redis.from_url(place.broker) as redis, _process(place, *worker):
        return _rate(lambda: int(redis.llen("celery")), CELERY_OWN)


def _rq(place: Place) -> float:
    from rq import Queue

    (place.folder / "own_rq.py").write_text(RQ)
    with Redis.from_url(place.broker) as redis:
        queue = Queue("own", connection=redis)
        for number in range(RQ_OWN):
            queue.enqueue("own_rq.nothing", number, result_ttl=0)
        with _process(place, "rq.cli", "worker", "own", f"--url={place.broker}", "--quiet"):
            return _rate(lambda: len(queue), RQ_OWN)


def _rate(waiting: Callable[[], int], jobs: int) -> float:
    """Jobs a second of a worker that has just been started: from when the first tenth is gone to the end."""
    _until(lambda: waiting() <= jobs * 9 // 10)
    began, left = time.perf_counter(), waiting()
    _until(lambda: waiting() == 0)
    return left / (time.perf_counter() - began)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("nothing is done any more")
        time.sleep(0.005)
