"""How settings say where a password is kept. Settings, tables, logs and process lists hold such a reference only.

env:NAME                   a variable of the environment
file:PATH                  the first line of a file
passfile, passfile:PATH    a password file as libpq reads it: ~/.pgpass or PGPASSFILE, or the one named
command:["vault", "…"]     what a program prints; no shell, 10 s, kept for 5 minutes or until it says it expires
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

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
