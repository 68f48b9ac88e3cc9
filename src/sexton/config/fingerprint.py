"""Short names made from the settings: a fingerprint stored with each run, and the name of this installation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from ..masking import without_secrets
from ..setting_fields import leaves, rule_of
from .job_settings import JobSettings
from .settings import Settings

AUTO = "auto"
_BESIDE = ("alerts", "channel", "fleet")  # who is told, through what, and where they run, is no part of what jobs do
_PLACE = ("dbname", "host", "port")
_UNORDERED = ("trusted_roles",)


class PolicyForms(NamedTuple):
    """Policies by name, each as what counts of it; and the names of all settings that policies of ours can have."""

    forms: Mapping[str, Any]
    names: tuple[str, ...]


def fingerprint(settings: Settings, policies: PolicyForms | None = None) -> str:
    """Digits over all settings but alerts and secrets, each with its effective value, whatever the order of keys.

    policies: what counts of them, which their kinds know; None: as they are written.
    Passwords, and pack options under names like `token` or `api_key`, do not count: a changed password is no
    change of what jobs do, and a hash of a short secret can be guessed."""
    from ..jobs.fingerprints import of_settings

    forms, of_policies = policies or (settings.policies, None)
    kept = {name: value for name, value in written_out(settings).items() if name not in (*_BESIDE, "policies")}
    named = {"job": kept.pop("job"), "policies": forms}
    names = [
        ".".join(path) for kind in (Settings, JobSettings) for path, _, _ in leaves(kind) if path[0] not in _BESIDE
    ]
    # The name of a job may look like that of a secret: "shop.purge_tokens".
    safe = {kind: {name: without_secrets(one) for name, one in tables.items()} for kind, tables in named.items()}
    return of_settings([without_secrets(kept), safe], names, of_policies)


def written_out(group: Any) -> dict[str, Any]:
    """A group of settings: every one, lengths of time in one spelling, lists sorted where their order says nothing."""
    return {
        declared.name: _value(getattr(group, declared.name), rule_of(declared).kind, declared.name in _UNORDERED)
        for declared in fields(group)
    }


def _value(value: Any, kind: str, unordered: bool = False) -> Any:
    if is_dataclass(value):
        return written_out(value)
    if isinstance(value, Mapping):
        return {name: _value(one, "") for name, one in value.items()}
    if isinstance(value, str) and kind in ("duration", "span"):
        from ..jobs.span import parse_span

        return parse_span(value).as_text()
    return sorted(value) if unordered else value


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
