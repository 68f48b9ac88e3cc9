"""A child that calls for payments, and kills itself at a chosen step of claim, call or record; and the reckoning.

The receiver is a file that each call appends a line to, as a real one would note what has come in. What was claimed
is noted by a trigger, in the very transaction of the claim.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, text

from sexton import Again, Attempt, CallOutcome, Done
from sexton.db.connect import open_database
from sexton.runs.calls.claiming import Claiming
from sexton.runs.calls.extending import Extending
from sexton.runs.calls.recording import Recording
from sexton.testing import run_job

from .children import SMALL
from .payments import Payments, make_payments

STEPS = (
    "claim begins",
    "claim is written",
    "claim commits",
    "claim is committed",
    "call begins",
    "call has arrived",
    "record begins",
    "record is written",
    "record commits",
    "record is committed",
)
"""Moments of a row's life, in their order. A step that "commits" ends before its COMMIT is sent."""

HEARTBEAT_STEPS = ("heartbeat begins", "heartbeat is written", "heartbeat commits", "heartbeat is committed")
"""Moments of a sign of life that is written, between "call has arrived" and "record begins"."""

STATEMENT = "a statement"
"""Before any statement at all."""


@dataclass
class Death:
    """Kills this process at the nth time that a step comes."""

    step: str
    number: int
    seen: Counter[str] = field(default_factory=Counter)
    doing: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def comes(self, step: str) -> None:
        """Here it is."""
        with self.lock:
            self.seen[step] += 1
            if (step, self.seen[step]) == (self.step, self.number):
                os.kill(os.getpid(), signal.SIGKILL)

    def await_it(self, engine: Engine) -> None:
        """Look into claim, heartbeat, record, each COMMIT and each statement of this process from now on."""
        commit = engine.dialect.do_commit

        def watched_commit(connection: Any) -> None:
            doing, self.doing = self.doing, ""
            self.comes(f"{doing} commits")
            commit(connection)
            self.comes(f"{doing} is committed")

        setattr(engine.dialect, "do_commit", watched_commit)  # noqa: B010 (for mypy it is a method)
        self._watch(Claiming, "claim", "claim")
        self._watch(Recording, "record", "record")
        self._watch(Extending, "extend", "heartbeat")
        event.listen(engine, "before_cursor_execute", lambda *_: self.comes(STATEMENT))

    def _watch(self, kind: type, method: str, name: str) -> None:
        real: Callable[..., Any] = getattr(kind, method)

        def watched(*arguments: Any) -> Any:
            self.comes(f"{name} begins")
            answer = real(*arguments)
            self.doing = name
            self.comes(f"{name} is written")
            return answer

        setattr(kind, method, watched)


@dataclass(frozen=True)
class Receiver:
    """A file that notes what has come in; a line is written whole, or not at all."""

    file: Path

    def note(self, call: Attempt) -> None:
        """One call has arrived."""
        descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, f"{call.row.id} {call.key} {call.number}\n".encode())
        finally:
            os.close(descriptor)

    def noted(self) -> list[tuple[int, str, int]]:
        """(id, key, attempt) of each, in the order in which they came."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return [(int(number), key, int(attempt)) for number, key, attempt in map(str.split, lines)]


def payment_calls(shop: Payments, receiver: Receiver, death: Death | None = None, *, alive: bool = False) -> Any:
    """The job: of every third payment the first answer is "not yet"; a confirmation is written with each record.

    alive: each call may last 3 minutes, and says that it is alive once it has arrived.
    """

    def call(attempt: Attempt) -> CallOutcome:
        if death is not None:
            death.comes("call begins")
        receiver.note(attempt)
        if death is not None:
            death.comes("call has arrived")
        if alive:
            attempt.heartbeat()
        if attempt.row.id % 3 == 0 and attempt.number == 1:
            return Again("not yet")
        values = {"id": attempt.row.id, "attempt": attempt.number}
        insert = text("INSERT INTO confirmations VALUES (:id, :attempt)")
        return Done({"status": "paid"}, then=lambda connection: connection.execute(insert, values))

    times = {"timeout": "3m", "job_timeout": "1h"} if alive else {}
    return shop.job(call, retry=["1m"], give_up_after="300d", concurrency=2, **times)


def call_until_death(
    url: str, kept: str, file: str, at: datetime, step: str, number: int, *, alive: bool = False
) -> int:
    """The child."""
    engine = open_database(url)
    death = Death(step, number)
    death.await_it(engine)
    job = payment_calls(make_payments(engine, kept, create=False), Receiver(Path(file)), death, alive=alive)
    outcome = run_job(engine, job, at=at, limits=SMALL)
    print(outcome.state, outcome.error or outcome.note or "", flush=True)
    return outcome.exit_code


def make_witnesses(shop: Payments) -> None:
    """Tables for what was confirmed and what was claimed, and what fills the second."""
    postgresql = shop.engine.dialect.name == "postgresql"
    ours = "sexton.calls" if postgresql else "sexton_calls"
    table, subject = ("payments", "id") if shop.kept == "whole" else (ours, "subject")
    note = f"INSERT INTO claimed VALUES (CAST(new.{subject} AS integer))"
    statements = ["CREATE TABLE confirmations (id integer, attempt integer)", "CREATE TABLE claimed (id integer)"]
    different = "IS DISTINCT FROM" if postgresql else "IS NOT"
    when = {"INSERT": "new.claim IS NOT NULL", "UPDATE": f"new.claim IS NOT NULL AND new.claim {different} old.claim"}
    if postgresql:
        statements.append(
            f"CREATE FUNCTION note_claim() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {note}; RETURN NULL; END $$"
        )
    for deed, condition in when.items():
        head = f"CREATE TRIGGER note_{deed.lower()} AFTER {deed} ON {table} FOR EACH ROW WHEN"
        body = f"({condition}) EXECUTE FUNCTION note_claim()" if postgresql else f"{condition} BEGIN {note}; END"
        statements.append(f"{head} {body}")
    with shop.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def assert_called_as_promised(shop: Payments, ids: list[int], receiver: Receiver) -> None:
    """After the end: no row lost, each called with one key, recorded once, its attempts those that were claimed."""
    noted = receiver.noted()
    with shop.engine.connect() as connection:
        confirmations = connection.execute(text("SELECT id, attempt FROM confirmations")).all()
        claims = Counter(connection.execute(text("SELECT id FROM claimed")).scalars())
    assert set(shop.statuses().values()) == {"paid"}
    assert sorted(row.id for row in confirmations) == ids
    assert {one for one, _, _ in noted} == set(ids)
    assert {(one, key) for one, key, _ in noted} == {(one, f"payment:{one}") for one in ids}
    assert {row.id: row.attempt for row in confirmations} == claims
    assert all(attempt <= claims[one] for one, _, attempt in noted)
    assert shop.claimed() == 0
    assert shop.rows_of_calls() == {}
