"""The door through which all that a command prints goes: nothing that a terminal obeys, nothing that it cannot show."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from ..texts import escape_on, printed


class Plain:
    """A stream that escapes control characters in what is written; line feeds and tabs stay. stream: what it covers."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write it without anything that a terminal obeys."""
        return self.stream.write(printed(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def plain_output() -> Iterator[None]:
    """Inside the block standard output and error are plain. A stream that is closed stays as it is."""
    before = sys.stdout, sys.stderr
    with escape_on(*before):
        sys.stdout, sys.stderr = (cast(TextIO, Plain(stream)) if stream is not None else stream for stream in before)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before
