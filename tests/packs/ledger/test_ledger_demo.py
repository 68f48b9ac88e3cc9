"""`sexton demo ledger`: where all points went, and nothing twice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.shell import Shell

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("options", [(), ("--postgres",)], ids=["sqlite", "postgresql"])
def test_pgc_6_the_demonstration_of_the_ledger_tells_its_story(tmp_path: Path, options: tuple[str, ...]) -> None:
    """PGC-6: at 80 columns; the parts come to the whole, the books balance, run again it does nothing."""
    done = Shell(tmp_path).sexton("demo", "ledger", *options)

    assert (done.code, done.err) == (0, "")
    whole = re.search(r"^What became of ([\d,]+) points:$", done.out, re.MULTILINE)
    assert whole is not None
    parts = re.findall(r"^  (?:spent|held|written off|still)\D+([\d,]+) +(\d+)%  █", done.out, re.MULTILINE)
    assert len(parts) == 4
    assert sum(int(part.replace(",", "")) for part, _ in parts) == int(whole[1].replace(",", ""))
    assert sum(int(share) for _, share in parts) == 100
    assert re.search(r"release +\+\d+ .*\n.*expiry +-\d+ .*operation", done.out)
    assert re.search(
        r"^The books: \d+ entries, none ever changed; 7 rules, all of them hold\.$", done.out, re.MULTILINE
    )
    never = re.search(r"^Lot \d+, good until .*, and operation (\d+), which nobody completed:$", done.out, re.MULTILINE)
    assert never is not None
    assert re.search(rf"release +\+\d+ .* operation {never[1]}$", done.out, re.MULTILINE)
    assert "Idempotency keys: 6 are in progress for over an hour" in done.out
    again = done.out.partition("nothing is done twice.")[2].partition("\n\n")[0].strip().splitlines()[1:]
    assert len(again) == 3
    assert {tuple(line.split()[1:]) for line in again} == {("0", "0")}
    assert max(map(len, done.out.splitlines())) <= 80
