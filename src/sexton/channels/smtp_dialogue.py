"""A conversation with a relay in which no answer is without end: smtplib keeps every line of one (SEC-10)."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable
from typing import Any

MOST_LINES = 200
"""Lines of one answer; a relay says a dozen to EHLO."""

MOST_BYTES = 64 * 1024
"""Bytes of one answer."""

Known = Callable[[smtplib.SMTP], None]


class TooMuch(Exception):  # smtplib would make its own words of an OSError, which its errors are
    """The relay's answer has no end."""

    def __init__(self) -> None:
        super().__init__(f"more than {MOST_LINES} lines or {MOST_BYTES // 1024} KiB in one answer")


class _Answers:
    """What smtplib reads lines from; counts those of one answer."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.begin()

    def begin(self) -> None:
        """The next line is the first of an answer."""
        self._lines, self._bytes = 0, 0

    def readline(self, limit: int) -> bytes:
        """The next line. TooMuch when it is longer than smtplib takes (`limit`), or the answer has too many."""
        line: bytes = self._stream.readline(limit)
        self._lines, self._bytes = self._lines + 1, self._bytes + len(line)
        if self._lines > MOST_LINES or self._bytes > MOST_BYTES or len(line) >= limit:
            raise TooMuch
        return line

    def close(self) -> None:
        """Close what is read from."""
        self._stream.close()


class _Bounded(smtplib.SMTP):
    """Also in the greeting, and again after STARTTLS, where smtplib opens its file anew."""

    def getreply(self) -> tuple[int, bytes]:
        """One answer. TooMuch when it does not end; nothing of what follows can be understood then."""
        if self.file is None and self.sock is not None:
            self.file = _Answers(self.sock.makefile("rb"))
        if self.file is not None:
            self.file.begin()
        return super().getreply()


class Relay(_Bounded):
    """Plain at first. known: is told of it before it connects, so that somebody can hang up during the greeting."""

    def __init__(self, host: str, port: int, timeout: float, known: Known) -> None:
        known(self)
        super().__init__(host, port, timeout=timeout)


class RelayBehindTLS(_Bounded, smtplib.SMTP_SSL):
    """Behind TLS from the first byte."""

    def __init__(self, host: str, port: int, timeout: float, known: Known) -> None:
        known(self)
        super().__init__(host, port, timeout=timeout, context=ssl.create_default_context())
