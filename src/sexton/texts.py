"""Text that somebody else wrote, made fit to be kept in any database and shown on any terminal.

What no database holds (NUL, halves of surrogate pairs), what a terminal obeys (ESC, CR, BEL) and what deceives the eye
(bidirectional controls) is escaped as JSON does: `\\n`, `\\u001b`. So a JSON line stays one, and people can read it.
"""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TextIO, cast

LONGEST = 2_000
"""Characters that are kept of one text of others."""

ESCAPING = "sexton-escaping"
"""Name of the handler of encoding errors that escapes what an encoding cannot hold."""

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

_HARMLESS = "\u200c\u200d\u00ad\u00a0\u3000"
"""Not called printable by Python, but needed by scripts, emoji and names: joiners, soft hyphen, wide blanks."""


def one_line(text: str, longest: int = LONGEST) -> str:
    """The text on one line without anything that is obeyed or cannot be kept; at most `longest` characters."""
    cut = _decoded(str.__str__(text)[: longest + 1])  # before escaping: it may be huge
    plain = cut if cut.isprintable() else "".join(map(_plain, cut))
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def lines(text: str, longest: int) -> str:
    """The same for several lines. Of a long text, head and tail are kept. longest: bytes as UTF-8."""
    kept = "\n".join(one_line(line, longest) for line in _shortened(text, longest).split("\n"))
    return _shortened(kept, longest)


def printed(text: str) -> str:
    """What may go to a terminal: line feeds and tabs stay, all else that it would obey is escaped."""
    if text.isprintable():
        return text
    return "".join(character if character in "\n\t" else _plain(character) for character in text)


def encodable(text: str, encoding: str) -> str:
    """The text, with an escape for each character that this encoding lacks."""
    if text.isascii():
        return text
    _register()
    return text.encode(encoding, ESCAPING).decode(encoding)


def escaped(character: str) -> str:
    """One character as JSON escapes it."""
    units = character.encode("utf-16-be", "surrogatepass")
    pairs = (units[place : place + 2].hex() for place in range(0, len(units), 2))
    return _SHORT.get(character) or "".join(f"\\u{pair}" for pair in pairs)


class Plain:
    """A stream that can be given any text: what a terminal obeys and what its encoding lacks is escaped.

    stream: what it covers; for those who mean to drive the terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write it; line feeds and tabs stay."""
        return self.stream.write(encodable(printed(text), self.stream.encoding or "utf-8"))

    def isatty(self) -> bool:
        """Whether people read it; nobody does when a job's code has closed it."""
        return not self.stream.closed and self.stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def plain_output() -> Iterator[None]:
    """Inside the block standard output and error are plain. One that is closed stays as it is."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, Plain(stream)) if stream is not None else stream for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


@cache
def _register() -> None:
    codecs.register_error(ESCAPING, _escape)


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(escaped, error.object[error.start : error.end])), error.end


def _decoded(text: str) -> str:
    """Bytes of an argument that Python could not read in the locale of "C" are UTF-8 nearly always."""
    if not any("\udc80" <= character <= "\udcff" for character in text):
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        return text


def _plain(character: str) -> str:
    return character if character.isprintable() or character in _HARMLESS else escaped(character)


def _shortened(text: str, longest: int) -> str:
    """At most so many bytes, from the start and from the end."""
    whole = text.encode("utf-8", "surrogatepass") if len(text) * 4 > longest else b""
    if len(whole) <= longest:
        return text
    half = (longest - 80) // 2
    head, tail = (part.decode("utf-8", "ignore") for part in (whole[:half], whole[-half:]))
    return f"{head}\n… {len(whole) - 2 * half:,} bytes left out …\n{tail}"
