"""`sexton demo storefront`: everything at once, with a gateway and a mailbox on loopback, and nothing twice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.shell import Shell

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("options", [(), ("--postgres",)], ids=["sqlite", "postgresql"])
def test_the_demonstration_of_the_shop_tells_its_story(tmp_path: Path, options: tuple[str, ...]) -> None:
    """ORA-SUM: late payments, holds, sales, mails; run again it does nothing."""
    done = Shell(tmp_path).sexton("demo", "storefront", *options)

    assert (done.code, done.err) == (0, "")
    assert "10 confirmed late" in done.out
    assert "3 have to go back" in done.out
    assert "of 95 the shop has 90 back" in done.out
    assert re.search(r"^  \w{3} \d\d \w{3} +[\d,.]+ INR +\d+ orders?  █+$", done.out, re.MULTILINE)
    for subject in ("Order ORA-09001 is confirmed", "Low on stock: ", "Sales until ", "Payment 9012 needs you"):
        assert f"  Subject: {subject}" in done.out
    again = done.out.partition("nothing is done twice.")[2].partition("\n\n")[0].strip().splitlines()[1:]
    assert len(again) == 8
    assert {tuple(line.split()[1:]) for line in again} == {("0", "0")}
    assert max(map(len, done.out.splitlines())) <= 120


def test_the_demonstration_leaves_no_key_of_the_gateway_behind(tmp_path: Path) -> None:
    """G5"""
    done = Shell(tmp_path).sexton("demo", "storefront", "--keep", "kept")

    assert done.code == 0
    left = b"".join(file.read_bytes() for file in (tmp_path / "kept").iterdir())
    assert b"gateway_secret" not in left
