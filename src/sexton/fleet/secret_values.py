"""The password that a reference leads to, read when it is needed and kept nowhere but for what a program printed."""

from __future__ import annotations

import os
from pathlib import Path

from ..config.secret_references import SecretKind, SecretReference
from ..errors import SettingsError
from ..files import refuse_for_root
from .secret_commands import answer_of

MAX_SECRET_BYTES = 16_384
"""Bytes that are read of a file with a password."""


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
