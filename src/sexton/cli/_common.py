"""What commands share: opening the app from their arguments, and the common arguments."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ..app import App
from ..clock import iso, parse_reckonable
from ..console import complain, plain_logging, say
from ..errors import UsageError
from ..exit_codes import DONE
from ..jobs.duration import duration_words as duration_words
from ..jobs.job import Job
from ..texts import json_text, visible, width

_DIGITS = re.compile(r"[0-9]{1,18}")

AHEAD = timedelta(hours=1)
"""How far `--now` may lie ahead without a question: clocks differ."""


def open_app(arguments: Namespace, *, create: bool = False, partly: bool = False) -> App:
    """The app that `--config` and `--database` ask for. create: also when its SQLite file is not there yet.

    partly: also when some of its jobs cannot be loaded, for what can do without them.
    """
    plain_logging()
    config = Path(arguments.config) if arguments.config else None
    return App.load(config, database=arguments.database, create=create, partly=partly)


def tell_unloaded(app: App) -> int:
    """Say on standard error what could not be loaded, beside what could; the exit code."""
    for error in app.registry.unloaded.values():
        complain(*error.lines)
    return next((error.exit_code for error in app.registry.unloaded.values()), DONE)


def require_no_request(job: Job) -> Job:
    """The job; UsageError for one on demand, which has no schedule and no run of its own, only requests."""
    if job.on_demand is not None:
        raise UsageError(f"{job.name} is on demand; ask for it: sexton trigger {job.name} --arg NAME=VALUE")
    return job


def folded(head: str, tail: str) -> Iterator[str]:
    """Two lines that fit a terminal of 80 columns, or more where a text is longer."""
    import textwrap

    yield from textwrap.wrap(visible(head), 80, subsequent_indent="      ")
    yield from textwrap.wrap(visible(tail), 80, initial_indent="    ", subsequent_indent="      ")


def add_json(parser: ArgumentParser) -> None:
    """`--json`, on every command that only reads."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def whole(what: str, least: int, most: int | None = None) -> Callable[[str], int]:
    """The type of an argument that is a number: digits of ASCII, at most eighteen, which a bigint holds (SEC-2)."""
    limits = f"from {least} up" if most is None else f"from {least} to {most}"

    def read(text: str) -> int:
        if not _DIGITS.fullmatch(text) or not least <= int(text) <= (int(text) if most is None else most):
            raise ArgumentTypeError(f"{text[:40]!r} is no {what} {limits}")
        return int(text)

    return read


def add_now(parser: ArgumentParser) -> None:
    """`--now T`."""
    parser.add_argument(
        "--now",
        metavar="TIME",
        type=parse_reckonable,
        help="run as if it were this time, for instance 2026-11-22T04:00Z",
    )


def add_yes(parser: ArgumentParser) -> None:
    """`--yes`, where `--now` may be a time to come."""
    parser.add_argument("--yes", action="store_true", help="do so, though --now is a time to come")


def refuse_future(arguments: Namespace) -> None:
    """UsageError for a real run at a time to come: what falls due until then would go now."""
    ahead = timedelta(0) if arguments.now is None else arguments.now - datetime.now(UTC)
    if ahead > AHEAD and not (arguments.dry_run or arguments.yes):
        raise UsageError(
            f"--now is {duration_words(ahead.total_seconds())} ahead, and what falls due until then would go now; "
            "look with --dry-run, or say --yes"
        )


def confirmed(question: str, purpose: str) -> bool:
    """Whether a person says yes. UsageError where nobody can answer. purpose: as in "say --yes to arm it"."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(f"nobody can answer here; say --yes {purpose}")
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:  # Ctrl-D
        say()
        return False


def print_json(value: Any) -> None:
    """Print one JSON document; instants in ISO form."""
    say(*json_text(value, indent=2, default=_plain).split("\n"))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def table(
    headings: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[str] = (), shrink: str | None = None
) -> list[str]:
    """Lines of aligned plain text: columns as wide as they need when shown, two spaces apart.

    right: headings aligned to the right.  shrink: the column that is cut on a terminal too narrow for all.
    """
    cells = [[visible(str(cell)) for cell in row] for row in rows]
    widths = [max(width(line[place]) for line in [list(headings), *cells]) for place in range(len(headings))]
    if shrink is not None and sys.stdout.isatty():
        from shutil import get_terminal_size

        place = headings.index(shrink)
        room = get_terminal_size().columns - sum(widths) - 2 * (len(widths) - 1) + widths[place]
        if room < widths[place]:
            widths[place] = max(room, 12)
            names = shrink in ("JOB", "STEP")
            cells = [[*row[:place], _truncated(row[place], widths[place], names), *row[place + 1 :]] for row in cells]
    lines = []
    for line in [list(headings), *cells]:
        parts = [
            _aligned(cell, columns, heading in right)
            for heading, cell, columns in zip(headings, line, widths, strict=True)
        ]
        lines.append("  ".join(parts).rstrip())
    return lines


def _aligned(cell: str, columns: int, right: bool) -> str:
    blank = " " * (columns - width(cell))
    return blank + cell if right else cell + blank


def _truncated(text: str, columns: int, at_start: bool) -> str:
    """Names are cut at their start: what tells jobs of one pack apart stands at the end."""
    if width(text) <= columns:
        return text
    while width(text) >= columns:
        text = text[1:] if at_start else text[:-1]
    return f"…{text}" if at_start else f"{text}…"
