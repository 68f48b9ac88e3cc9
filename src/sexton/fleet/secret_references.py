"""Where the password of a database is kept. Settings, tables, logs and process lists hold such a reference only.

    env:NAME                   a variable of the environment
    file:PATH                  the first line of a file
    passfile, passfile:PATH    a password file as libpq reads it: ~/.pgpass or PGPASSFILE, or the one named
    command:["vault", "…"]     what a program prints; no shell, 10 s, kept for 5 minutes or until it says it expires
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ..errors import SettingsError
from ..files import refuse_for_root
from .secret_commands import answer_of

MAX_SECRET_BYTES = 16_384
"""Bytes that are read of a file with a password."""

FORMS = 'env:NAME, file:PATH, passfile, passfile:PATH or command:["program", "argument"]'


class SecretKind(StrEnum):
    """What has the password."""

    ENVIRONMENT = "env"
    FILE = "file"
    PASSWORD_FILE = "passfile"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class SecretReference:
    """kind: what has it.  target: name, path or words of a command; () of libpq's own password file."""

    kind: SecretKind
    target: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As it is written; of a command the program only, as its arguments may tell too much."""
        return f"{self.kind}:{self.target[0]}" if self.target else str(self.kind)

    __repr__ = __str__


def secret_reference(text: str) -> SecretReference:
    """Read one. ValueError, which repeats nothing of it, as it may be the password itself."""
    kind, colon, rest = text.partition(":")
    if kind not in list(SecretKind) or (not rest and (colon or kind != SecretKind.PASSWORD_FILE)):
        raise ValueError(f"this says not where the password is kept; write {FORMS}")
    if kind != SecretKind.COMMAND:
        return SecretReference(SecretKind(kind), (rest,) if rest else ())
    try:
        words = json.loads(rest)
    except ValueError:
        words = None
    if not (isinstance(words, list) and words and all(isinstance(word, str) and word for word in words)):
        raise ValueError('a command is a list of words, and no shell reads it: command:["vault", "read", "shop"]')
    return SecretReference(SecretKind.COMMAND, tuple(words))


def resolved(reference: SecretReference) -> str | None:
    """The password; None where libpq reads it by itself. SettingsError, without any of it, where it cannot be had."""
    match reference.kind:
        case SecretKind.PASSWORD_FILE:
            return None
        case SecretKind.ENVIRONMENT:
            found = os.environ.get(reference.target[0], "")
            why = "is not set"
        case SecretKind.FILE:
            found, why = _first_line(Path(reference.target[0])), "holds nothing"
        case SecretKind.COMMAND:
            found, why = answer_of(reference.target), "printed nothing"
    if not found:
        raise SettingsError(f"{reference} {why}; it should have the password")
    return found


def _first_line(path: Path) -> str:
    try:
        os.lstat(path)  # one that is not there is nobody's
        refuse_for_root(path)
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_BYTES)
        return content.decode().partition("\n")[0].rstrip("\r")
    except OSError as error:
        raise SettingsError(f"file:{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"file:{path} is not UTF-8") from None
