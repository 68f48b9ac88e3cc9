"""`sexton crontab`: lines that any cron takes, for one line or a line a job, and for cPanel (BJ-24)."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sexton.cli.main import _parser

from .shell import JOBS, Inside

LINE = re.compile(r"((?:[\d*/,-]+ ){4}[\d*/,-]+) (cd .+)")


@pytest.fixture
def shop(inside: Inside) -> Inside:
    """The marketplace and two jobs of a shop, one of which has no schedule."""
    inside.write("sexton.toml", 'packs = ["marketplace"]\njobs = ["shop_jobs.py"]\n')
    inside.write("shop_jobs.py", JOBS.replace("whose time is up", "whose time is\\nup 100%"))
    return inside


def lines(text: str) -> list[tuple[str, str]]:
    """Fields and command of each line; what is neither that, nor a comment, nor empty, fails."""
    assert text.endswith("\n")
    found = []
    for line in text.splitlines():
        matched = LINE.fullmatch(line)
        if matched:
            found.append((matched[1], matched[2]))
        else:
            assert not line or line.startswith("#"), line
    return found


def test_bj_24_1_one_line_runs_whatever_is_due(shop: Inside) -> None:
    done = shop.sexton("crontab")

    assert (done.code, done.err) == (0, "")
    ((fields, command),) = lines(done.out)
    assert fields == "* * * * *"
    folder, program = command.removeprefix("cd ").split(" && ")
    assert Path(folder) == shop.folder
    words = shlex.split(program)
    assert Path(words[0]) == Path(sys.executable).absolute()
    assert words[1:] == [
        "-P",
        "-m",
        "sexton.cli.main",
        "run",
        "--due",
        "--quiet",
        "--config",
        f"{shop.folder}/sexton.toml",
    ]


def test_bj_24_1_the_line_is_accepted_by_our_own_parser(shop: Inside) -> None:
    from sexton.cli import run

    parser = _parser("run", "")
    run.arguments(parser)
    for options in ([], ["--per-job"], ["--cpanel"]):
        for _, command in lines(shop.sexton("crontab", *options).out):
            parser.parse_args(shlex.split(command.partition(" sexton.cli.main run ")[2]))


def test_bj_24_4_every_job_is_listed_with_its_purpose_and_when(shop: Inside) -> None:
    """A line feed or % in a description cannot become a line."""
    for options in ([], ["--per-job"], ["--cpanel", "--per-job"]):
        text = shop.sexton("crontab", *options).out
        assert "shop.purge_sessions: delete sessions whose time is up 100%; every day at 03:17 Europe/Berlin" in text
        assert "shop.expire_sessions: only by hand" in text
        assert re.search(r"# +marketplace\.expire_orders: nudge .*; every day at 04:10 UTC\n", text)


def test_bj_24_1_a_line_for_each_job_that_has_a_schedule(shop: Inside) -> None:
    found = lines(shop.sexton("crontab", "--per-job", "--server-zone", "UTC").out)

    commands = {re.findall(r"--quiet (\S+) ", command)[0]: fields for fields, command in found}
    assert commands["marketplace.expire_orders"] == "10,11 4 * * *"
    assert commands["shop.purge_sessions"] == "* * * * *", "its zone changes clocks, the server's does not"
    assert "shop.expire_sessions" not in commands
    assert len(commands) == 6


def test_bj_24_2_cpanel_starts_every_five_minutes_and_tells_of_limits(shop: Inside) -> None:
    shop.write(
        "sexton.toml", (shop.folder / "sexton.toml").read_text() + '[job."sexton.housekeeping"]\ntimeout = "20m"\n'
    )
    text = shop.sexton("crontab", "--cpanel").out

    ((fields, _),) = lines(text)
    assert fields == "*/5 * * * *"
    assert "Execution limits" in text
    assert "MAILTO" not in text
    assert "Beware: sexton.housekeeping may take 20 minutes" in text
    assert shop.sexton("crontab", "--cpanel", "--mail", "ops@example.com").code == 2


def test_mail_goes_where_it_is_asked_to_go(shop: Inside) -> None:
    assert "\nMAILTO=ops@example.com\n" in shop.sexton("crontab", "--mail", "ops@example.com").out
    assert shop.sexton("crontab", "--mail", "ops@example.com\n* * * * * rm").code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--every", "7m"], "divide an hour evenly"),
        (["--every", "5"], "unit is missing"),
        (["--server-zone", "Berlin"], "not in the IANA list"),
        (["--database", "postgresql://u:s3cret@h/d"], "no place for a database URL"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_right_is_refused(shop: Inside, words: list[str], said: str) -> None:
    done = shop.sexton("crontab", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "s3cret" not in done.err


def test_variables_of_this_shell_are_told_by_name_only(shop: Inside) -> None:
    done = shop.sexton("crontab", SEXTON_DATABASE="postgresql+psycopg://u:s3cret@h/d")

    assert done.code == 0
    assert "SEXTON_DATABASE" in done.line
    assert "s3cret" not in done.out + done.err


def test_bj_24_1_a_named_settings_file_is_named_in_full(shop: Inside) -> None:
    (shop.folder / "set").mkdir()
    (shop.folder / "sexton.toml").rename(shop.folder / "set" / "own.toml")
    (shop.folder / "shop_jobs.py").rename(shop.folder / "set" / "shop_jobs.py")
    named = f"--config {shop.folder}/set/own.toml"
    assert named in shop.sexton("crontab", "--config", "set/own.toml").out
    assert named in shop.sexton("crontab", SEXTON_CONFIG="set/own.toml").out


def test_bj_24_1_the_line_works_as_cron_starts_it(shop: Inside) -> None:
    """In another folder, with the few variables that cron sets."""
    shop.write("sexton.toml", 'database = "sqlite:///own.db"\n')
    assert shop.sexton("migrate").code == 0
    ((_, command),) = lines(shop.sexton("crontab").out)

    def cron() -> tuple[int, bytes]:
        environment = {"PATH": "/usr/bin:/bin", "HOME": "/", "SHELL": "/bin/sh"}
        done = subprocess.run(["/bin/sh", "-c", command], cwd="/", env=environment, capture_output=True, check=False)
        return done.returncode, done.stdout + done.stderr

    assert [cron(), cron()] == [(0, b""), (0, b"")]
