"""The channel that is always there: one JSON line."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

from ..clock import iso
from ..texts import json_text
from .contract import ConfiguredChannel, Notice, Unavailable, as_json


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Alerts as lines of JSON on the error output; there is nothing to set."""


class LogChannel(ConfiguredChannel[LogSettings]):
    """Writes to `stream`; None means what is stderr at that moment."""

    name = "log"
    settings_type = LogSettings

    def __init__(self, settings: LogSettings, *, stream: TextIO | None = None) -> None:
        super().__init__(settings)
        self._stream = stream

    def send(self, notice: Notice, *, only: Sequence[str] = ()) -> Mapping[str, str]:
        """Write the line. Unavailable when nobody reads any more, or the disk is full."""
        stream = sys.stderr if self._stream is None else self._stream
        line = {"time": iso(datetime.now(UTC)), "event": "alert", "key": notice.key, **as_json(notice)}
        try:
            stream.write(json_text(line) + "\n")
            stream.flush()
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            raise Unavailable(f"the line cannot be written: {type(error).__name__}") from None
        return {}
