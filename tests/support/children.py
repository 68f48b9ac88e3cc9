"""What child processes of tests do: run a job of the little shop, or a command line, and break at a chosen moment."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Engine, create_mock_engine, event

from sexton import Job
from sexton.cli.main import main
from sexton.db.connect import open_database
from sexton.errors import SextonError
from sexton.run_counts import Counts
from sexton.runs import batches, hard_limit
from sexton.runs.context import Limits
from sexton.testing import run_job

from .patience import PATIENCE
from .sessions import NOON, Sessions, make_sessions

SMALL = Limits(lease=60.0, renew=PATIENCE, rows=5, batch=0.002, statement=PATIENCE)
"""Small first batches, and a lease that outlasts a machine that stands still for a while.

It is not renewed: a renewal is a statement more, at some time, and tests count statements.
"""


@dataclass(frozen=True)
class Break:
    """When a child sends `number` to itself.

    claimed: once the run is ours.  batch: after the commit of the nth batch.
    statement: before the nth statement that follows the commit of batch `after_batch` (0: of all).
    """

    claimed: bool = False
    batch: int | None = None
    statement: int | None = None
    after_batch: int = 0
    number: signal.Signals = signal.SIGKILL
    _seen: dict[str, int] = field(default_factory=dict)

    def on_statement(self, *_: Any) -> None:
        """Called before each statement."""
        if self._seen.get("batch", 0) >= self.after_batch:
            self._count("statement", self.statement)

    def on_batch(self, _step: str, _counts: Counts) -> None:
        """Called after each commit of a batch."""
        self._count("batch", self.batch)

    def on_claim(self, _claim: object) -> None:
        """Called when the run is ours."""
        print("claimed", flush=True)
        if self.claimed:
            self._now()

    def _count(self, what: str, at: int | None) -> None:
        self._seen[what] = self._seen.get(what, 0) + 1
        if self._seen[what] == at:
            self._now()

    def _now(self) -> None:
        os.kill(os.getpid(), self.number)


NEVER = Break()


def shop_of(engine: Engine) -> Sessions:
    """The shop on an engine whose database has its tables already."""
    drawn = make_sessions(cast(Engine, create_mock_engine(engine.url, lambda *_, **__: None)))
    return Sessions(engine, drawn.table, drawn.accesses)


def run_shop_job(
    url: str,
    job: str = "expire",
    *,
    at: datetime | None = NOON,
    slot: datetime | None = None,
    limits: Limits = SMALL,
    breaking: Break = NEVER,
    **options: Any,
) -> int:
    """A child that runs `expire`, `purge` or `warn`; says "claimed", and at the end the state and counts."""
    engine = open_database(url)
    made: Callable[..., Job] = getattr(shop_of(engine), job)
    return run_and_tell(engine, made(**options), at=at, slot=slot, limits=limits, breaking=breaking)


def run_and_tell(
    engine: Engine,
    job: Job,
    *,
    at: datetime | None = NOON,
    slot: datetime | None = None,
    limits: Limits = SMALL,
    breaking: Break = NEVER,
) -> int:
    """Run a job here, in a child, and say how it went. No batch is cut short, so its statements can be counted."""
    batches.MAX_BATCH_SECONDS = PATIENCE  # type: ignore[attr-defined]
    if breaking.statement:
        event.listen(engine, "before_cursor_execute", breaking.on_statement)
    try:
        outcome = run_job(
            engine, job, at=at, slot=slot, limits=limits, watch=breaking.on_batch, started=breaking.on_claim
        )
    except SextonError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(outcome.state, outcome.total.as_json(), outcome.error or "", flush=True)
    return outcome.exit_code


def command_line(*words: str, ignoring: signal.Signals | None = None) -> int:
    """A child that is `sexton` with these words. ignoring: a signal that it was told to ignore, as nohup does."""
    if ignoring is not None:
        signal.signal(ignoring, signal.SIG_IGN)
    sys.argv = ["sexton", *words]
    return main(list(words))


def command_line_to_the_last_word(*words: str) -> int:
    """The same for a run that does not end: the kernel's alarm does not come before its last word is on record."""
    hard_limit.ALARM = PATIENCE
    return command_line(*words)


def write_settings(folder: Path, database: str, *, jobs: str = "tests.support.shop_jobs", **run: str | int) -> str:
    """A settings file for this database; `run` goes into its table [run]. The option that names it."""
    table = [f"{name} = {value!r}" for name, value in run.items()]
    lines = [f"database = {database!r}", f"jobs = [{jobs!r}]", "[run]", *table]
    file = folder / "sexton.toml"
    file.write_text("\n".join(lines) + "\n")
    return f"--config={file}"
