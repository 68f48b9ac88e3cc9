"""BJ-24.1: paths with blanks, quotes and percent signs reach the program through cron and the shell unchanged."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sexton.engines.crontab.command_line import Place, quoted
from sexton.errors import UsageError

AWKWARD = [
    "plain",
    "with blank",
    "it's",
    "100%",
    "%",
    "50% of it's",
    'say "so"',
    "$HOME",
    "a\\b",
    "back\\%",
    "ü",
    "a;b&c",
]


def as_cron_hands_on(command: str) -> str:
    """What Debian's cron gives to the shell: \\% becomes %, and a bare % would end the command."""
    handed = command.replace(r"\%", "\0")
    assert "%" not in handed, "cron reads a line feed here"
    return handed.replace("\0", "%")


@pytest.mark.parametrize("text", AWKWARD)
@pytest.mark.parametrize("handed", [as_cron_hands_on, str], ids=["cron", "busybox"])
def test_a_word_arrives_as_it_was(text: str, handed: Callable[[str], str]) -> None:
    """busybox hands every character on, backslashes before % too."""
    command = handed(rf"printf \%s {quoted(text)}")
    said = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=True)
    assert said.stdout.decode() == text


def test_the_line_names_everything_by_its_whole_path() -> None:
    place = Place(Path("/srv/my shop/.venv/bin/python"), Path("/srv/my shop"), Path("/srv/my shop/sexton.toml"))
    assert place.command("shop.retry") == (
        "cd '/srv/my shop' && '/srv/my shop/.venv/bin/python' -P -m sexton.cli.main run --due --quiet shop.retry "
        "--config '/srv/my shop/sexton.toml'"
    )


@pytest.mark.parametrize("folder", ["/srv/a\nb", "/srv/a\rb"])
def test_a_path_that_would_end_the_line_is_refused(folder: str) -> None:
    with pytest.raises(UsageError, match="control character"):
        Place(Path("/usr/bin/python3"), Path(folder)).command()


def test_a_line_that_cron_would_cut_is_refused() -> None:
    with pytest.raises(UsageError, match="shorten the paths"):
        Place(Path("/usr/bin/python3"), Path("/" + "deep/" * 200)).command()
