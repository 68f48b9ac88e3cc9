"""Fault C8: two workers with different settings show up, because the fingerprints of their runs differ."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import permutations
from typing import Any

import pytest

from sexton.app import App
from sexton.config import Settings
from sexton.config.fingerprint import fingerprint
from sexton.declared.policy_fingerprint import forms_of
from sexton.declared.policy_tables import policies_of
from sexton.jobs.fingerprints import differ

from .conftest import Place

WHOLE = """
database = "postgresql://shop:one@db/shop"
packs = ["marketplace", "invoicing"]
[run]
lease = "20s"
batch_rows = 100
[job."a.b"]
timeout = "5m"
enabled = false
[job."a.c"]
timeout = "6m"
[pack.mail]
since = 2026-01-01
api_key = "one"
hosts = { first = "x", second = "y" }
"""


def test_c8_the_order_of_keys_does_not_count(place: Place) -> None:
    turned = """
[pack.mail]
hosts.second = "y"
hosts.first = "x"
api_key = "one"
since = 2026-01-01
[job."a.c"]
timeout = "6m"
[job."a.b"]
enabled = false
timeout = "5m"
[run]
batch_rows = 100
lease = "20s"
"""
    top = 'packs = ["marketplace", "invoicing"]\ndatabase = "postgresql://shop:one@db/shop"'
    assert fingerprint(place.read(top + turned)) == fingerprint(place.read(WHOLE))


def test_c8_where_a_value_comes_from_does_not_count(place: Place) -> None:
    assert fingerprint(place.read('[run]\nlease = "20s"')) == fingerprint(place.read(SEXTON_RUN__LEASE="20s"))


def definition(settings: Settings) -> str:
    """The fingerprint as the app makes it, which knows what counts of a policy."""
    written = settings.policies
    return fingerprint(settings, forms_of(written, policies_of(written)[0]) if written else None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("@db/shop", "@db/other"),
        ("//shop:", "//admin:"),
        ('["marketplace", "invoicing"]', '["marketplace"]'),
        ('lease = "20s"', 'lease = "21s"'),
        ("batch_rows = 100", "batch_rows = 101"),
        ("enabled = false", "enabled = true"),
        ('timeout = "6m"', 'timeout = "7m"'),
        ("2026-01-01", "2026-01-02"),
        ('second = "y"', 'second = "z"'),
    ],
)
def test_c8_every_other_difference_counts(place: Place, old: str, new: str) -> None:
    assert old in WHOLE
    assert fingerprint(place.read(WHOLE)) != fingerprint(place.read(WHOLE.replace(old, new)))


@pytest.mark.parametrize(("old", "new"), [("shop:one", "shop:two"), ('"one"', '"two"')])
def test_c8_a_changed_secret_does_not_count(place: Place, old: str, new: str) -> None:
    assert fingerprint(place.read(WHOLE)) == fingerprint(place.read(WHOLE.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('lease = "20s"', 'lease = "20 seconds"'),
        ('lease = "20s"', 'lease = "20s"\nrenew = "3s"'),
        ('roles = ["a", "b"]', 'roles = ["b", "a"]'),
        ('keep = "90d"', 'keep = "90 days"\nkind = "birth"\nschedule = "17 3 * * *"'),
    ],
)
def test_c8_another_spelling_and_a_default_that_is_written_do_not_count(place: Place, old: str, new: str) -> None:
    whole = 'trusted_roles = ["a", "b"]\n' + WHOLE + '[policies.tidy]\npurge = "t"\nby = "at"\nkeep = "90d"'
    assert old in whole
    assert definition(place.read(whole)) == definition(place.read(whole.replace(old, new)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('[policies.used_tokens]\npurge = "t"\nby = "at"', '[policies.used_tokens]\npurge = "t"\nby = "gone"'),
        ('[policies.a]\npurge = "t"\nby = "at"', '[policies.a]\npurge = "t"\nby = "at"\nlimit = 5'),
        ('[policies.a]\npurge = "t"\nno = 1', '[policies.a]\npurge = "t"\nno = 2'),
        ('[job."shop.purge_tokens"]\npriority = 1', '[job."shop.purge_tokens"]\npriority = 2'),
    ],
)
def test_c8_policies_and_jobs_count_whatever_they_are_called(place: Place, one: str, other: str) -> None:
    assert definition(place.read(one)) != definition(place.read(other))


def test_c8_settings_are_compared_only_between_versions_that_know_the_same_ones(place: Place) -> None:
    now, changed = fingerprint(place.read(WHOLE)), fingerprint(place.read(WHOLE.replace("100", "101")))
    other_names = f"2.0000:{now.rpartition(':')[2]}"

    assert differ(now, changed)
    assert not differ(now, now)
    assert not differ(now, "a97e7e7c0c67d7ec")  # as versions before wrote it
    assert not differ(changed, other_names)


def test_c8_policies_of_a_kind_that_was_not_in_use_are_other_settings() -> None:
    purge, warn = {"purge": "sessions", "by": "ends"}, {"warn": "sessions", "by": "ends"}
    mixes: list[dict[str, dict[str, Any]]] = [{}, {"a": purge}, {"a": warn}, {"a": purge, "b": warn}]
    definitions = [App(Settings(policies=policies)).definition for policies in mixes]

    for one, other in permutations(definitions, 2):
        assert differ(one, other)
    assert not differ(definitions[1], "2.0000.0000:0123456789abcdef")


def test_c8_the_fingerprint_is_the_same_in_every_process() -> None:
    names = "from sexton.config import Settings; from sexton.config.fingerprint import fingerprint"
    program = f"{names}; print(fingerprint(Settings()))"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == fingerprint(Settings())
    assert re.fullmatch(r"2\.[0-9a-f]{4}:[0-9a-f]{16}", other.stdout.strip())
