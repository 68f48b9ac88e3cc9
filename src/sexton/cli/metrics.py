"""Print the metrics of the jobs in the text form of Prometheus, or write them to a file for node_exporter.

When the tables cannot be read, it says `sexton_up 0` and ends with the exit code of the reason.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path

from ..console import complain, say
from ..errors import SettingsError, SextonError, UsageError
from ..exit_codes import DONE
from ..telemetry.debt import read_debt_in_subprocess
from ..telemetry.health_reader import HealthReader
from ._common import open_app

METRICS_SECONDS = 60.0
"""Seconds: nobody waits for a page here, so a slow database gets its time."""

SETTING = "the one in the settings"


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--textfile",
        metavar="PATH",
        nargs="?",
        const=SETTING,
        help="write this file, in one piece, instead of printing; without PATH that of metrics.textfile",
    )


def run(arguments: Namespace) -> int:
    """Print or write them; the exit code."""
    app = open_app(arguments, partly=True)
    try:
        from ..telemetry.metrics import exposition, write_textfile
    except ModuleNotFoundError as error:
        raise SettingsError(f"{error.name} is not installed; run: pip install 'sexton[metrics]'") from error
    reader = HealthReader.of(
        app.settings,
        app.registry,
        debt=partial(read_debt_in_subprocess, arguments.config, arguments.database, app.settings.jobs),
        debt_first=True,
        patience=METRICS_SECONDS,
        statement=METRICS_SECONDS / 2,
    )
    answer = reader.read()
    if arguments.textfile is None:
        say(*exposition(answer)[0].decode().removesuffix("\n").split("\n"))
    else:
        path = _path(arguments.textfile, app.settings.metrics.textfile)
        try:
            write_textfile(path, answer, app.settings.metrics.group)
        except OSError as error:
            raise SettingsError(f"{path} cannot be written: {error.strerror or error}") from error
    if isinstance(answer, SextonError):
        complain(*answer.lines)
        return answer.exit_code
    return DONE


def _path(given: str, setting: str | None) -> Path:
    if given != SETTING:
        if not Path(given).name:
            raise UsageError(f"--textfile {given!r}: name a file")
        return Path(given)
    if setting is None:
        raise UsageError("--textfile: name a file, or set metrics.textfile")
    return Path(setting)
