"""What a worker and its executors say to each other: one JSON object a line. Names and numbers, never code (X10)."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any


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
