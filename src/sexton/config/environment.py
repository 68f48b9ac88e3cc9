"""Which variable of the environment, or of `.env`, is which setting: SEXTON_TIMEZONE, SEXTON_RUN__LEASE."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, get_args, get_origin

from ..errors import SettingsError, suggestion
from ..files import TRUST
from ..setting_fields import SettingPath, leaves
from .settings import Settings

PREFIX = "SEXTON_"
CONFIG = "SEXTON_CONFIG"
CHANNEL_VARIABLES = "SEXTON_CHANNEL__"
RESERVED = frozenset({CONFIG, TRUST, "SEXTON_REQUIRE"})
RESERVED_PREFIX = "SEXTON_TEST_"

# Kubernetes and old Docker put these beside a service that happens to be called sexton or sexton-web.
_SERVICE = re.compile(r"SEXTON(?:_[A-Z0-9_]+)?_(?:SERVICE_(?:HOST|PORT)|PORT)(?:_[A-Z0-9_]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,30}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?")


def variables() -> Mapping[str, tuple[SettingPath, Any]]:
    """Every variable that is a setting: its key path and type. [job.…] and [pack.…] have none."""
    return _of(named=True)


def known(name: str) -> tuple[SettingPath, Any] | None:
    """Key path and type of one variable; None: it is no setting. Channels are only asked about theirs."""
    return (variables() if name.startswith(CHANNEL_VARIABLES) else _of(named=False)).get(name)


@cache
def _of(*, named: bool) -> Mapping[str, tuple[SettingPath, Any]]:
    return {
        PREFIX + "__".join(path).upper(): (path, annotation)
        for path, _, annotation in leaves(Settings, named=named)
        if not _by_name(annotation)
    }


def is_setting(name: str) -> bool:
    """Whether the variable is meant as a setting; reserved names and those of Kubernetes services are not."""
    if not name.startswith(PREFIX) or name in RESERVED or name.startswith(RESERVED_PREFIX):
        return False
    return known(name) is not None or _SERVICE.fullmatch(name) is None


def path_of(name: str, *, where: str) -> SettingPath:
    """The key path of a variable. SettingsError with the nearest right name when it is none."""
    if (found := known(name)) is not None:
        return found[0]
    group = name.removeprefix(PREFIX).partition("__")[0].lower()
    if group in ("job", "pack", "policies", "route", "engines"):
        raise SettingsError(
            f"{where}: {name}: settings of one {group} are read from sexton.toml only, from [{group}.NAME]; "
            f"the environment sets single values, {PREFIX}RUN__… and {PREFIX}RETENTION__…"
        )
    raise SettingsError(f"{where}: {name}: unknown setting{suggestion(name, variables())}")


def from_text(text: str, annotation: Any) -> object:
    """The value as `sexton.toml` would give it. What is no number stays text, for the reader to refuse."""
    if annotation is int and _WHOLE.fullmatch(text):
        return int(text)
    if annotation is float and _DECIMAL.fullmatch(text):
        return float(text)
    if annotation is bool and text in ("true", "false"):
        return text == "true"
    if get_origin(annotation) is tuple:
        return [from_text(item.strip(), get_args(annotation)[0]) for item in text.split(",")]
    return text


def nested(values: Iterable[tuple[SettingPath, object]]) -> dict[str, Any]:
    """Key paths and values as tables in tables."""
    result: dict[str, Any] = {}
    for path, value in values:
        table = result
        for part in path[:-1]:
            table = table.setdefault(part, {})
        table[path[-1]] = value
    return result


def _by_name(annotation: Any) -> bool:
    origin = get_origin(annotation)
    return isinstance(origin, type) and issubclass(origin, Mapping)
