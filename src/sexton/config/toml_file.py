"""Read `sexton.toml`, and find the line of a key once something is wrong with it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from itertools import chain
from typing import Any

from ..errors import SettingsError

_POSITION = re.compile(r" \((?:at line (\d+), column \d+|at end of document)\)$")
_NAME = r"""[A-Za-z0-9_."' -]+"""
_KEY = re.compile(rf"\s*(?:\[\[?(?P<table>{_NAME})\]|(?P<key>{_NAME})=)")


def parse(text: str, *, where: str) -> dict[str, Any]:
    """The tables of the file. SettingsError names `where`, the line and what is wrong, without any value."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{where} {_syntax(text, str(error))}") from None
    except RecursionError:
        raise SettingsError(f"{where}: the lists or tables are nested too deeply") from None
    except ValueError:
        raise SettingsError(f"{where}: a number has too many digits") from None


def line_of(text: str, path: Sequence[str]) -> int | None:
    """The line, counted from 1, on which the key is first written; None when it cannot be told.

    Lines that hold the last part of the key are tried in turn: the right one is where the file, read up to
    the end of that value, has the key for the first time. Where none does, the key is written with escapes, and
    all lines are tried."""
    lines = text.replace("\r\n", "\n").split("\n")
    numbers = range(1, len(lines) + 1) if path else ()
    likely = (number for number in numbers if path[-1] in lines[number - 1])
    return next((number for number in chain(likely, numbers) if _has(lines, number, path)), None)


def _has(lines: Sequence[str], number: int, path: Sequence[str]) -> bool:
    for end in range(number, len(lines) + 1):
        try:
            table: Any = tomllib.loads("\n".join(lines[:end]))
        except ValueError:
            continue  # the value goes on over further lines
        for part in path:
            if not isinstance(table, dict) or part not in table:
                return False
            table = table[part]
        return True
    return False


def _syntax(text: str, message: str) -> str:
    """Line and meaning of what tomllib says; its most frequent messages in the user's words."""
    found = _POSITION.search(message)
    lines = text.split("\n")
    number = int(found[1]) if found and found[1] else len(text.rstrip("\n").split("\n"))
    what = message[: found.start()] if found else message
    if what.startswith(("Cannot overwrite", "Cannot declare")):
        key = _KEY.match(lines[number - 1])
        named = f"the key {(key['table'] or key['key']).strip()}" if key else "a key"
        return f"line {number}: {named} is given twice; keep one of them"
    if what.startswith(("Invalid value", "Expected newline")):
        return f'line {number}: {what}; text stands in quotes, as in lease = "10s"'
    return f"line {number}: {what}"
