"""An engine may be anybody's code: what it raises is its own trouble, and the other engines of a scheduler go on."""

from __future__ import annotations

from typing import Any, cast

import pytest
from sqlalchemy import Connection, Engine

from sexton import Job
from sexton.app import App
from sexton.config import Settings
from sexton.db.connect import read_only
from sexton.engines.carrier import EngineMessage, EngineUnreachable
from sexton.engines.submitter import Submitter
from sexton.slots.due_run import DueRun
from sexton.slots.submission import open_runs, queue_due

pytestmark = pytest.mark.databases("sqlite", "postgres15")

SEND = Job("post.send", work=print)


class Odd:
    """An engine that raises what nobody expects. transactional: whether it is given messages in our transaction."""

    def __init__(self, error: Exception, *, transactional: bool) -> None:
        self.error: Exception | None = error
        self.transactional = transactional
        self.taken: list[int] = []

    def submit(self, message: EngineMessage, using: Connection | None = None) -> None:
        """Nothing, as long as it has an error."""
        if self.error is not None:
            raise self.error
        self.taken += message.ids


def submitter(engine: Engine, odd: Odd, said: list[tuple[str, str]]) -> Submitter:
    """Of one job, a run of which is to be handed on."""
    app = App(Settings(database=engine.url.render_as_string(hide_password=False)))
    vars(app)["database"] = engine
    app.registry.add(SEND)
    with engine.begin() as connection:
        queue_due(connection, DueRun(SEND.name), "odd")
    return Submitter(
        app, "odd", cast(Any, odd), [SEND], lambda event, **more: said.append((event, more.get("error", "")))
    )


def submitted(engine: Engine) -> list[bool]:
    """Whether the run was handed on."""
    with read_only(engine) as connection:
        return [run.submitted_at is not None for run in open_runs(connection)]


@pytest.mark.parametrize(
    "error", [ValueError("redis://ada:qXcanary@host"), OSError("gone"), RuntimeError("x\ny"), KeyError()]
)
def test_whatever_it_raises_its_runs_wait_and_it_rests(engine: Engine, error: Exception) -> None:
    odd, said = Odd(error, transactional=False), list[tuple[str, str]]()
    desk = submitter(engine, odd, said)

    desk.submit()

    assert submitted(engine) == [False]
    (event, words) = said[0]
    assert (len(said), event) == (1, "engine does not answer")
    assert words.startswith(f"odd: {type(error).__name__}: ")
    assert "\n" not in words
    assert "qXcanary" not in words
    assert desk.submit() == 0, "it rests"

    odd.error, desk.outage.rest_until = None, 0.0
    assert (desk.submit(), len(odd.taken)) == (1, 1)
    assert submitted(engine) == [True]


def test_in_our_own_transaction_nothing_is_marked(engine: Engine) -> None:
    """It passes as an engine that does not answer, for which the desk makes it rest."""
    desk = submitter(engine, Odd(ValueError("odd"), transactional=True), [])

    with pytest.raises(EngineUnreachable, match="odd: ValueError: odd"):
        desk.submit()

    assert submitted(engine) == [False]
