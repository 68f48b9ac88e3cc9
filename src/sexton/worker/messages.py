"""What a worker and its executors say to each other: one JSON object a line. Names and numbers, never code (X10)."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from ..errors import JobFailed
from ..runs.context import Failure
from ..runs.counts import steps_from_json
from ..runs.outcome import Outcome


def message_of(outcome: Outcome) -> dict[str, Any]:
    """How a run ended, for the other side."""
    return {
        "job": outcome.job,
        "state": outcome.state,
        "run": outcome.run_id,
        "as_of": outcome.as_of.isoformat() if outcome.as_of else None,
        "steps": {step: counts.as_json() for step, counts in outcome.steps.items()},
        "error": outcome.error,
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
        message["state"],
        message["run"],
        as_of,
        steps_from_json(message["steps"]),
        message["error"],
        failure=failure if message["place"] or message["traceback"] else None,
        refused=message["refused"],
        ends_with=message["code"],
    )


class Line:
    """One end of the connection."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self._rest = b""

    def fileno(self) -> int:
        """For select."""
        return self.channel.fileno()

    def send(self, message: dict[str, Any]) -> None:
        """Send; when the other side is gone, `receive` says so."""
        with suppress(OSError):
            self.channel.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> Iterator[dict[str, Any] | None]:
        """What has come, after waiting for something to come; None last when the other side is gone."""
        try:
            chunk = self.channel.recv(65536)
        except OSError:
            chunk = b""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        yield from (json.loads(line) for line in lines)
        if not chunk:
            yield None

    def close(self) -> None:
        """Close our end."""
        self.channel.close()
