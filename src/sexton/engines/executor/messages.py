"""What executors and whoever has them say to each other: one JSON object a line. Names and numbers, never code (X10).

A job is anybody's code and holds the line as well, so what comes from an executor is checked like any input (SEC-2).
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from ...errors import JobFailed
from ...exit_codes import OF_STATE
from ...run_counts import steps_from_json
from ...run_state import OutcomeCode, outcome_state
from ...runs.context import Failure
from ...runs.outcome import Outcome


def message_of(outcome: Outcome) -> dict[str, Any]:
    """How a run ended, for the other side."""
    return {
        "job": outcome.job,
        "state": outcome.state,
        "run": outcome.run_id,
        "as_of": outcome.as_of.isoformat() if outcome.as_of else None,
        "steps": {step: counts.as_json() for step, counts in outcome.steps.items()},
        "error": outcome.error,
        "note": outcome.note,
        "outcome_code": outcome.code,
        "refused": outcome.refused,
        "code": outcome.exit_code,
        "place": outcome.failure.place if outcome.failure else None,
        "traceback": outcome.failure.traceback if outcome.failure else None,
    }


def outcome_of(message: dict[str, Any]) -> Outcome:
    """Read back what `message_of` wrote; of the exception, what is shown of it."""
    failure = Failure(JobFailed(message["error"]), message["place"], message["traceback"])
    as_of = datetime.fromisoformat(message["as_of"]) if message["as_of"] else None
    return Outcome(
        message["job"],
        outcome_state(message["state"]),
        message["run"],
        as_of,
        steps_from_json(message["steps"]),
        message["error"],
        message["note"],
        OutcomeCode(message["outcome_code"]) if message["outcome_code"] else None,
        failure=failure if message["place"] or message["traceback"] else None,
        refused=message["refused"],
        ends_with=message["code"],
    )


MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""Bytes of one message at most; a traceback has 16 KiB, and counts of a thousand steps less than 1 MiB."""

Right = Callable[[object], bool]


def _text(value: object) -> bool:
    return isinstance(value, str)


def _number(value: object) -> bool:
    """A number that the database holds as well."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _instant(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _perhaps(right: Right) -> Right:
    return lambda value: value is None or right(value)


_OUTCOME: Mapping[str, Right] = {
    "job": _text,
    "state": lambda value: isinstance(value, str) and value in OF_STATE,
    "run": _perhaps(_number),
    "as_of": _perhaps(_instant),
    "steps": lambda value: isinstance(value, dict),
    "error": _perhaps(_text),
    "note": _perhaps(_text),
    "outcome_code": _perhaps(lambda value: isinstance(value, str) and value in set(OutcomeCode)),
    "refused": lambda value: isinstance(value, bool),
    "code": _number,
    "place": _perhaps(_text),
    "traceback": _perhaps(_text),
}

_SAID: Mapping[str, Mapping[str, Right]] = {
    "ready": {"unloaded": _texts},
    "begun": {},
    "claimed": {"run": _number, "holder": _text, "epoch": _number},
    "overdue": _OUTCOME,
    "shift over": {"more": lambda value: isinstance(value, bool)},
    "ended": _OUTCOME,
}


def in_form(message: Mapping[str, Any]) -> bool:
    """Whether an executor says this: one of its events, with all that belongs to it."""
    event = message.get("event")
    expected = _SAID.get(event) if isinstance(event, str) else None
    return expected is not None and all(name in message and right(message[name]) for name, right in expected.items())


class JsonPipe:
    """One end of the connection. broken: something came that is no message; nothing after it is read."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.broken = False
        self._rest = b""

    def fileno(self) -> int:
        """For select."""
        return self.channel.fileno()

    def send(self, message: dict[str, Any]) -> None:
        """Send; when the other side is gone, `receive` says so."""
        with suppress(OSError):
            self.channel.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> Iterator[dict[str, Any] | None]:
        """What has come, after waiting for something to come; None last when the other side is gone, or `broken`."""
        try:
            chunk = self.channel.recv(65536)
        except OSError:
            chunk = b""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            message = _message(line)
            if message is None:
                self.broken = True
                break
            yield message
        self.broken = self.broken or len(self._rest) > MAX_MESSAGE_BYTES
        if self.broken or not chunk:
            yield None

    def close(self) -> None:
        """Close our end."""
        self.channel.close()


def _message(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
