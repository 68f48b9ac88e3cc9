"""The channel that is always there: one JSON line."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

from ..call_outcomes import CallOutcome, Done
from ..clock import iso
from ..masking import shown_recipient
from ..texts import json_text
from .contract import ConfiguredChannel, Notice, OutgoingMessage, Unavailable, as_json, as_outcome


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Alerts as lines of JSON on the error output; there is nothing to set."""


class LogChannel(ConfiguredChannel[LogSettings]):
    """Writes to `stream`; None means what is stderr at that moment."""

    name = "log"
    settings_type = LogSettings
    addressed = False
    delivers = True
    batch = 1_000

    def __init__(self, settings: LogSettings, *, stream: TextIO | None = None) -> None:
        super().__init__(settings)
        self._stream = stream

    def deliver(self, messages: Sequence[OutgoingMessage], *, seconds: float) -> Iterator[CallOutcome]:
        """Write a line for each; secret fields have been masked, and of a web address only the host is told."""
        for message in messages:
            line = {
                "time": iso(datetime.now(UTC)),
                "event": "message",
                "id": message.id,
                "type": message.event,
                "recipient": shown_recipient(message.recipient),
                "payload": message.payload,
            }
            yield self._delivered({**line, "subject": message.subject} if message.subject else line)

    def _delivered(self, line: Mapping[str, object]) -> CallOutcome:
        try:
            self._write(line)
        except Unavailable as error:
            return as_outcome(error.of_all())
        return Done()

    def send(self, notice: Notice, *, only: Sequence[str] = ()) -> Mapping[str, str]:
        """Write the line. Unavailable when nobody reads any more, or the disk is full."""
        self._write({"time": iso(datetime.now(UTC)), "event": "alert", "key": notice.key, **as_json(notice)})
        return {}

    def _write(self, line: Mapping[str, object]) -> None:
        stream = sys.stderr if self._stream is None else self._stream
        try:
            stream.write(json_text(line) + "\n")
            stream.flush()
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            raise Unavailable(f"the line cannot be written: {type(error).__name__}") from None
