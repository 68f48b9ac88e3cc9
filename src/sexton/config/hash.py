"""A short fingerprint of the settings, stored with each run, so that a change of them shows."""

from __future__ import annotations

from dataclasses import asdict

from .masking import without_secrets
from .settings import Settings


def fingerprint(settings: Settings) -> str:
    """16 hexadecimal digits over all settings but secrets, whatever the order of keys in the file.

    Passwords, and pack options under names like `token` or `api_key`, do not count: a changed password is no
    change of what jobs do, and a hash of a short secret can be guessed."""
    import hashlib  # like json, loaded by SQLAlchemy anyway, but not needed by commands that open no database
    import json

    tree = without_secrets(asdict(settings))
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
