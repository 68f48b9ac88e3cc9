"""Short names made from the settings: a fingerprint stored with each run, and the name of this installation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any
from urllib.parse import parse_qsl

from .masking import without_secrets
from .setting_fields import leaves, rule_of
from .settings import JobSettings, Settings

AUTO = "auto"
_TELLING = ("alerts", "channel")  # who is told, and through what, is no part of what jobs do
_PLACE = ("dbname", "host", "port")
_UNORDERED = ("trusted_roles",)


def fingerprint(settings: Settings) -> str:
    """Digits over all settings but alerts and secrets, each with its effective value, whatever the order of keys.

    Passwords, and pack options under names like `token` or `api_key`, do not count: a changed password is no
    change of what jobs do, and a hash of a short secret can be guessed."""
    from ..jobs.fingerprints import of_settings
    from .policy_settings import PolicySettings

    kept = {name: value for name, value in _written_out(settings).items() if name not in _TELLING}
    named = {"job": kept.pop("job"), "policies": _policies(kept.pop("policies"))}
    kinds = (Settings, JobSettings, PolicySettings)
    names = [".".join(path) for kind in kinds for path, _, _ in leaves(kind) if path[0] not in _TELLING]
    # The name of a job may look like that of a secret: "shop.purge_tokens".
    safe = {kind: {name: without_secrets(one) for name, one in tables.items()} for kind, tables in named.items()}
    return of_settings([without_secrets(kept), safe], names)


def _written_out(group: Any) -> dict[str, Any]:
    """A group of settings: every one, lengths of time in one spelling, lists sorted where their order says nothing."""
    return {
        declared.name: _value(getattr(group, declared.name), rule_of(declared).kind, declared.name in _UNORDERED)
        for declared in fields(group)
    }


def _value(value: Any, kind: str, unordered: bool = False) -> Any:
    if is_dataclass(value):
        return _written_out(value)
    if isinstance(value, Mapping):
        return {name: _value(one, "") for name, one in value.items()}
    if isinstance(value, str) and kind in ("duration", "span"):
        from ..jobs.span import parse_span

        return parse_span(value).as_text()
    return sorted(value) if unordered else value


def _policies(written: Mapping[str, Mapping[str, object]]) -> dict[str, Any]:
    """Those that can be read, with their effective values; the others as they are written."""
    if not written:
        return {}
    from .policy_fingerprint import UNCONFIRMED, normal_form
    from .policy_settings import policies_of

    found, _ = policies_of(written)
    forms: dict[str, Any] = {name: table for name, table in written.items() if name not in found}
    for name, settings in found.items():
        whole = _written_out(settings)
        more = {one: whole[one] for one in (*UNCONFIRMED, "max_share")}
        forms[name] = normal_form(settings, found) | more
    return forms


def installation(settings: Settings) -> str:
    """What tells this installation from others: its name, or the place of its database.

    Only a hash of it goes anywhere. The place is host, port and name, or the path of a SQLite file as it is
    written: not made absolute, as a new folder for each release must not move schedules.
    """
    if settings.installation != AUTO:
        return settings.installation
    url, _, query = settings.database.partition("?")
    place = url.partition("://")[2].rpartition("@")[2]
    return "&".join([place, *(f"{name}={value}" for name, value in sorted(parse_qsl(query)) if name in _PLACE)])
