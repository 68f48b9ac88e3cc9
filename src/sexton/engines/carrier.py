"""What carries the number of a run to a process: the seam of Celery, RQ, Procrastinate, and of yours.

An engine is four verbs. It carries numbers and nothing else: no arguments, no secret, no time, no retry. Whatever it
does with a message (loses it, brings it twice, brings it late), the rows decide: they are claimed once, and a number
that nobody claims is submitted again.

    submit(message)   hand it on; back only when the engine has taken it
    cancel(ids)       do not bring these any more, where the engine can forget; the rows are cancelled already
    worker(…)         be a worker of the engine, until a signal comes
    health()          reachable, how many workers, what waits

What a worker of the engine does with a message is the same everywhere: `sexton.engines.consumer.consume`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from ..errors import SextonError
from ..exit_codes import UNREACHABLE
from ..masking import scrubbed
from ..texts import one_line

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..app import App
    from ..runs.stop_signals import Stop

FORM = 1
"""Of messages. A worker leaves those of another form alone."""

MAX_IDS = 100
"""Numbers in one message at most."""

TIMEOUT_MARGIN_SECONDS = 60.0
"""How much longer than all its runs may take the engine lets a message take: our own end of a run comes first."""


class MessageKind(StrEnum):
    """Of what the numbers are."""

    RUN = "run"
    REQUEST = "request"


MAX_TROUBLE_CHARACTERS = 300
"""Of what an engine or its library says, in a line about it."""


class EngineUnreachable(SextonError):
    """The engine, or the broker behind it, does not answer. The message names it, without a password."""

    exit_code = UNREACHABLE


def trouble(text: str) -> str:
    """What an engine or its library says, on one line and without credentials."""
    return one_line(scrubbed(text), MAX_TROUBLE_CHARACTERS)


@dataclass(frozen=True, slots=True)
class EngineMessage:
    """Numbers of runs, or of requests, of one database. ids: 1 to 100.

    database: identity of the database, sixteen hexadecimal digits: a worker of another one must not take them for its
    own.
    seconds: how long all of them may take by their timeouts; not carried, the engine gets it beside.
    high: before the others, as their jobs have a priority above 0; not carried either.
    """

    kind: MessageKind
    ids: tuple[int, ...]
    database: str
    seconds: float = 0.0
    high: bool = False

    def to_json(self) -> str:
        """As it is carried."""
        return json.dumps({"v": FORM, "database": self.database, "kind": self.kind, "ids": list(self.ids)})

    @classmethod
    def from_json(cls, text: object) -> EngineMessage:
        """Read what `to_json` gave. SextonError for anything else: whoever may write to a broker can write that."""
        wrong = SextonError("a message of an engine is an object of v, database, kind and 1 to 100 ids")
        try:
            value = json.loads(text) if isinstance(text, str | bytes) else None
        except (ValueError, RecursionError):
            raise wrong from None
        if not isinstance(value, Mapping) or set(value) != {"v", "database", "kind", "ids"} or value["v"] != FORM:
            raise wrong
        if value["kind"] not in set(MessageKind) or not isinstance(value["database"], str):
            raise wrong
        if not _are_ids(value["ids"]):
            raise wrong
        return cls(MessageKind(value["kind"]), tuple(value["ids"]), value["database"])


def _are_ids(value: object) -> bool:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_IDS:
        return False
    return all(isinstance(one, int) and not isinstance(one, bool) and 0 < one < 2**63 for one in value)


@dataclass(frozen=True, slots=True)
class EngineHealth:
    """What an engine says about itself. None: it cannot tell.

    reachable: whether it, and the broker behind it, answers.  workers: of it that work for us.
    waiting: messages of ours that nobody has taken.  oldest: since when the first of those waits.
    trouble: why it is not reachable, or what will hurt; one line without secrets.
    """

    reachable: bool
    workers: int | None = None
    waiting: int | None = None
    oldest: datetime | None = None
    trouble: str = ""


class Engine(Protocol):
    """One engine, made of an app and of its options in `[engines.NAME]`: `NameEngine(app, options)`.

    Options: a dataclass of `setting(...)`s; read and checked before the engine is made.
    transactional: it keeps its messages in the database of the jobs: `submit` is called with the connection in whose
    transaction the rows are marked as submitted, and writes there.
    """

    Options: ClassVar[type[Any]]
    transactional: ClassVar[bool]

    def __init__(self, app: App, options: Any) -> None: ...

    def submit(self, message: EngineMessage, using: Connection | None = None) -> None:
        """Hand it on. EngineUnreachable when it was not taken, or nobody knows: it is submitted again later."""

    def cancel(self, kind: MessageKind, ids: Sequence[int]) -> None:
        """Forget these where it can; nothing depends on it. EngineUnreachable."""

    def worker(self, concurrency: int, stop: Stop) -> int:
        """Work as one of its workers, with so many processes, until `stop` is asked; the exit code."""

    def health(self) -> EngineHealth:
        """How it is; within 5 seconds, and it does not raise."""

    def close(self) -> None:
        """Give back connections."""


@runtime_checkable
class KeepsUp(Protocol):
    """An engine that has something to keep in order while nothing is handed on; no engine needs to."""

    def keep_up(self) -> None:
        """Called by whoever leads, again and again: does nothing most of the time. EngineUnreachable."""


@runtime_checkable
class HasTables(Protocol):
    """An engine with tables of its own in the database of the jobs, for `sexton engines migrate`."""

    def migrate(self) -> list[str]:
        """Make or update them: the names of what was applied, in order; none when they are up to date."""
