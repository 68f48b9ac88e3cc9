"""Just enough of PostgreSQL's wire protocol to tell which statement a client has executed."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

SSL_REQUEST = 80877103
GSS_REQUEST = 80877104
CANCEL_REQUEST = 80877102

QUERY, PARSE, BIND, EXECUTE, SYNC, FUNCTION_CALL = b"Q", b"P", b"B", b"E", b"S", b"F"
READY_FOR_QUERY = b"Z"


@dataclass(frozen=True)
class Message:
    """One message after the start-up: its type, and all its bytes as they go over the wire."""

    kind: bytes
    raw: bytes

    @property
    def body(self) -> bytes:
        """The bytes after type and length."""
        return self.raw[5:]


class Framer:
    """Cuts a stream of bytes into messages; keeps an unfinished one for the next call."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """The messages that `chunk` completes."""
        data = self._rest + chunk
        position = 0
        while len(data) - position >= 5:
            end = position + 1 + struct.unpack_from("!I", data, position + 1)[0]
            if end > len(data):
                break
            yield Message(data[position : position + 1], data[position:end])
            position = end
        self._rest = data[position:]


@dataclass
class Reader:
    """Follows prepared statements and portals of one connection, so that an Execute has a text."""

    _prepared: dict[bytes, str] = field(default_factory=dict)
    _portals: dict[bytes, str] = field(default_factory=dict)

    def executed(self, message: Message) -> str | None:
        """SQL text when this message executes a statement (simple Query, or Execute), else None."""
        if message.kind == QUERY:
            return _text(message.body)
        if message.kind == PARSE:
            name, text, _ = message.body.split(b"\0", 2)
            self._prepared[name] = _text(text)
        elif message.kind == BIND:
            portal, name, _ = message.body.split(b"\0", 2)
            self._portals[portal] = self._prepared.get(name, "")
        elif message.kind == EXECUTE:
            return self._portals.get(message.body.split(b"\0", 1)[0], "")
        return None


def _text(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode(errors="replace")
