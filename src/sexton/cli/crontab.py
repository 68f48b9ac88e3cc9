"""Print a crontab that starts the jobs: `sexton crontab | crontab -` installs it, in place of what is there.

sexton crontab                  one line that runs whatever is due, every minute
sexton crontab --per-job        a line a job, with what it is for
sexton crontab --cpanel         for shared hosting: every five minutes
"""

from __future__ import annotations

import os
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import UTC, datetime
from pathlib import Path

from ..config import CONFIG
from ..config.environment import is_setting
from ..console import complain
from ..engines.crontab.command_line import Place
from ..engines.crontab.server_zone import server_zone
from ..engines.crontab.slot_fields import GRAINS
from ..engines.crontab.text import Wishes, crontab
from ..errors import ScheduleError, UsageError
from ..exit_codes import DONE
from ..jobs.duration import parse_duration
from ..jobs.zones import check_zone
from ..texts import encodable
from ._common import open_app

CPANEL_GRAIN = 5
_ADDRESS = re.compile(r"[!-~]+@[!-~]+")


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--every", type=_grain, metavar="TIME", help='time between two starts, for instance "5m"; default "1m"'
    )
    parser.add_argument("--per-job", action="store_true", help="a line a job instead of one line for all")
    parser.add_argument("--cpanel", action="store_true", help="for shared hosting: every 5 minutes, with its limits")
    parser.add_argument(
        "--server-zone",
        type=_zone,
        metavar="ZONE",
        help="IANA zone in which cron reads --per-job lines; default: this machine's",
    )
    parser.add_argument("--mail", type=_address, metavar="ADDRESS", help="where cron is to mail failures to (MAILTO)")


def run(arguments: Namespace) -> int:
    """Print it."""
    if arguments.database:
        raise UsageError("a crontab is no place for a database URL; write it into sexton.toml or .env")
    if arguments.cpanel and arguments.mail:
        raise UsageError("--cpanel takes no --mail: the address is a field of its page of cron jobs")
    app = open_app(arguments)
    wishes = Wishes(
        grain=arguments.every or (CPANEL_GRAIN if arguments.cpanel else 1),
        per_job=arguments.per_job,
        cpanel=arguments.cpanel,
        server=arguments.server_zone or server_zone(),
        mail=arguments.mail,
    )
    lines = crontab(app.registry, _here(arguments), wishes, datetime.now(UTC)).splitlines(keepends=True)
    sys.stdout.flush()
    sys.stdout.buffer.write(b"".join(map(_as_kept, lines)))
    lost = sorted(name for name in os.environ if is_setting(name))
    if lost:
        complain(f"cron will not see {', '.join(lost)} of this shell; write into .env what jobs need")
    return DONE


def _as_kept(line: str) -> bytes:
    """A line as cron reads it: paths in the bytes of the file system, whatever the terminal can show."""
    try:
        return os.fsencode(line)
    except UnicodeEncodeError:  # words about a job, in the locale "C"
        return encodable(line, sys.getfilesystemencoding()).encode()


def _here(arguments: Namespace) -> Place:
    named = arguments.config or os.environ.get(CONFIG)
    config = Path(named or "sexton.toml").absolute()
    return Place(Path(sys.executable).absolute(), Path.cwd(), config if config.is_file() else None)


def _grain(text: str) -> int:
    try:
        minutes = parse_duration(text).total_seconds() / 60
    except ScheduleError as error:
        raise ArgumentTypeError(str(error)) from None
    if minutes not in GRAINS:
        raise ArgumentTypeError(f"{text!r} does not divide an hour evenly; write {', '.join(f'{n}m' for n in GRAINS)}")
    return int(minutes)


def _zone(text: str) -> str:
    try:
        return check_zone(text)
    except ScheduleError as error:
        raise ArgumentTypeError(str(error)) from None


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise ArgumentTypeError(f"{text!r} is no e-mail address")
    return text
