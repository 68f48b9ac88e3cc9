"""`sexton demo invoicing`: everything at once, with the tax authority and a mailbox on loopback, and nothing twice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.shell import Shell

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("options", [(), ("--postgres",)], ids=["sqlite", "postgresql"])
def test_the_demonstration_of_invoicing_tells_its_story(tmp_path: Path, options: tuple[str, ...]) -> None:
    """T2.7, T3.3, T4.2, T5.4: overdue invoices, drafts, tokens, mails; run again it does nothing."""
    done = Shell(tmp_path).sexton("demo", "invoicing", *options)

    assert (done.code, done.err) == (0, "")
    assert re.search(r"^  Galil Bakery +[\d,.]+ ILS +\d+  █+$", done.out, re.MULTILINE)
    assert "14 deleted with their items" in done.out
    assert "is back with all of its items" in done.out
    assert re.search("2 renewed.*\n.*1 refused.*\n.*1 had no answer.*\n.*gAAAAA", done.out)
    for subject in ("overdue invoices: Galil Bakery", "SHAAM needs you: Carmel Print & Sons"):
        assert re.search(f"^  Subject: .*{subject}$", done.out, re.MULTILINE)
    again = done.out.partition("nothing is done twice.")[2].partition("\n\n")[0].strip().splitlines()[1:]
    assert {tuple(line.split()[1:]) for line in again} == {("0", "0")}
    assert max(map(len, done.out.splitlines())) <= 140


def test_the_demonstration_leaves_no_key_and_no_token_behind(tmp_path: Path) -> None:
    """T5.4"""
    done = Shell(tmp_path).sexton("demo", "invoicing", "--keep", "kept")

    assert done.code == 0
    left = b"".join(file.read_bytes() for file in (tmp_path / "kept").iterdir())
    assert b"gAAAAA" in left
    for secret in (b"refresh-1-", b"access-", b"token_keys", b"shaam_secret"):
        assert secret not in left
