"""Fingerprints: digits over a normal form, with the version of that form in front.

A normal form says what counts with its effective value, whether it was given or is a default, and in one spelling. So a
changed default is a change where it matters, and nowhere else. Another version of the form is no difference: what was
stored under it is either understood as such, or not compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

VERSION = 2
"""Of the normal forms that are written now. Raise it when the same thing is written out in another way."""


def digits(form: object, count: int = 16) -> str:
    """So many hexadecimal digits over tables, lists and values; keys in any order, what is no JSON by type and text."""
    text = json.dumps(form, sort_keys=True, separators=(",", ":"), default=_typed)
    return hashlib.sha256(text.encode()).hexdigest()[:count]


def of_rule(form: object, max_share: float) -> str:
    """Of a rule that a person confirms: "2:0123456789abcdef:0.2", the last being the share of a table it may take."""
    return f"{VERSION}:{digits(form)}:{float(max_share)!r}"


def confirms(confirmed: str, now: str) -> bool:
    """Whether who confirmed the one rule has confirmed the other: it takes the same rows, and no larger share."""
    (rule, _, share), (same, _, share_now) = confirmed.rpartition(":"), now.rpartition(":")
    return bool(rule) and rule == same and float(share_now) <= float(share)


def of_settings(form: object, names: object, of_policies: object = None) -> str:
    """Of settings: "2.89ab.cdef:0123456789abcdef".

    names, of_policies: of all settings that there are, and that policies have, of which another version has more or
    fewer. of_policies is None where there are no policies, and then only the first part is written.
    """
    known = digits(names, 4) if of_policies is None else f"{digits(names, 4)}.{digits(of_policies, 4)}"
    return f"{VERSION}.{known}:{digits(form)}"


def differ(one: str, other: str) -> bool:
    """Whether two runs had different settings. False where versions wrote them that do not know the same settings."""
    known, known_there = (written.rpartition(":")[0].split(".") for written in (one, other))
    return one != other and all(name == there for name, there in zip(known, known_there, strict=False))


def _typed(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return {type(value).__name__: str(value)}
