"""`python -m tests.soak [--minutes N] [--database sqlite|postgres]`: the tests' storm, long, with server restarts.

Three workers and twenty jobs that are due every second. Prints a table of how long it took until another worker led.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from sexton.db.connect import open_database
from sexton.db.migrate import migrate
from sexton.testing import postgres

from .support.chaos import EAGER, JOBS, Storm, assert_nothing_lost_or_doubled
from .support.proxy import Proxy
from .support.worker import make_yard
from .support.workers import Gate, Nursery, Worker


def main() -> None:
    """Blow, reckon, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="postgres")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="sexton-soak-") as folder:
        if arguments.database == "sqlite":
            _soak(f"sqlite:///{folder}/soak.db", Path(folder), arguments, None)
        else:
            with postgres.start(fsync="on", synchronous_commit="on") as server:
                _soak(server.create_database("soak"), Path(folder), arguments, lambda: server.restart(crash=True))


def _soak(database: str, folder: Path, arguments: argparse.Namespace, restart: Callable[[], None] | None) -> None:
    engine = open_database(database)
    migrate(engine)
    nursery = Nursery()
    workers: list[Worker] = []
    proxies: list[Proxy] = []

    def start(
        function: Callable[..., int | None], /, *words: object, gate: Gate | None = None, **options: object
    ) -> Worker:
        workers.append(nursery.start(function, *words, gate=gate, **options))
        return workers[-1]

    def restart_server() -> None:
        if restart is not None:
            restart()
        engine.dispose()

    def open_proxy(url: str) -> Proxy:
        proxies.append(Proxy(url))
        return proxies[-1]

    storm = Storm(
        make_yard(engine, database, folder, start, jobs=JOBS),
        folder,
        random.Random(arguments.seed),
        open_proxy if restart else None,
        restart_server if restart else None,
    )
    try:
        storm.gather(3, database)
        storm.yard.wait_until(lambda: bool(storm.yard.runs(EAGER)))
        storm.blow(arguments.minutes * 60)
        runs = storm.calm()
    finally:
        for worker in workers:
            worker.close()
        for proxy in proxies:
            proxy.close()
        nursery.close()
        engine.dispose()
    assert_nothing_lost_or_doubled(runs)
    print(f"{len(runs)} runs, {storm.events} blows, nothing lost, nothing twice")
    print(f"{'the leader met':<16}{'times':>6}{'median s':>10}{'longest s':>11}")
    for what in sorted({what for what, _ in storm.takeovers}):
        took = [seconds for kind, seconds in storm.takeovers if kind == what]
        print(f"{what:<16}{len(took):>6}{median(took):>10.2f}{max(took):>11.2f}")


if __name__ == "__main__":
    main()
