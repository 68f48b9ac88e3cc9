"""Short names made from the settings: a fingerprint stored with each run, and the name of this installation."""

from __future__ import annotations

from dataclasses import asdict
from urllib.parse import parse_qsl

from .masking import without_secrets
from .settings import Settings

AUTO = "auto"
_TELLING = ("alerts", "channel")  # who is told, and through what, is no part of what jobs do
_PLACE = ("dbname", "host", "port")


def fingerprint(settings: Settings) -> str:
    """16 hexadecimal digits over all settings but alerts and secrets, whatever the order of keys in the file.

    Passwords, and pack options under names like `token` or `api_key`, do not count: a changed password is no
    change of what jobs do, and a hash of a short secret can be guessed."""
    import hashlib  # like json, loaded by SQLAlchemy anyway, but not needed by commands that open no database
    import json

    tree = without_secrets({name: group for name, group in asdict(settings).items() if name not in _TELLING})
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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
