"""Fault C8: two workers with different settings show up, because the fingerprints of their runs differ."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sexton.config import Settings, fingerprint

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


def test_c8_the_fingerprint_is_the_same_in_every_process() -> None:
    program = "from sexton.config import Settings, fingerprint; print(fingerprint(Settings()))"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == fingerprint(Settings())
    assert len(other.stdout.strip()) == 16
