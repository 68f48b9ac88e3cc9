"""How runs are told to people: the table of steps, the one line at the end, progress while they run."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from shutil import get_terminal_size
from typing import IO, TYPE_CHECKING, Any, TextIO, cast

from ..run_counts import Counts
from ..runs.context import Watcher, no_watcher
from ..runs.outcome import Outcome
from ..texts import MAX_TEXT_CHARACTERS, encodable, json_text, one_line, visible, width
from ._common import duration_words, table

if TYPE_CHECKING:
    from ..statements.samples import Sample

STEP_HEADINGS = ["STEP", "PICKED", "CHANGED", "TOLD", "ALSO"]
LONGEST_KEY = 40
"""Characters of a key that are shown."""

NUMBERS = ("PICKED", "CHANGED", "TOLD")

LEAST_ROOM = 24
"""Columns that what else a step did has on any terminal."""


def step_table(steps: Mapping[str, Counts]) -> list[str]:
    """Counts of each step, aligned, in lines; on a terminal what else a step did goes on below where it is long."""
    numbers = [[step, counts.picked, counts.changed, counts.told] for step, counts in steps.items()]
    heading, *lines = table(STEP_HEADINGS[:-1], numbers, right=NUMBERS)
    taken = width(heading)
    room = get_terminal_size().columns - taken - 2 if sys.stdout.isatty() else MAX_TEXT_CHARACTERS
    told = [f"{heading}  {STEP_HEADINGS[-1]}"]
    for line, counts in zip(lines, steps.values(), strict=True):
        first, *others = _filled(_also(counts), max(room, LEAST_ROOM))
        told += [f"{line}  {first}".rstrip(), *(f"{'':{taken}}  {other}" for other in others)]
    return told


def _filled(items: Iterable[str], room: int) -> list[str]:
    """Items separated by commas on lines of so many columns; at least one line."""
    lines = [""]
    for item in items:
        longer = f"{lines[-1]}, {visible(item)}".removeprefix(", ")
        if width(longer) <= room or not lines[-1]:
            lines[-1] = longer
        else:
            lines[-1] += ","
            lines.append(visible(item))
    return lines


def _also(counts: Counts) -> list[str]:
    also = [f"{rows} {name}" for name, rows in counts.also.items()]
    if counts.skipped:
        also.append(f"{counts.skipped} locked by others")
    if counts.poison:
        also.append(f"{counts.poison} set aside")
    if counts.kept:
        also.append(f"{counts.kept} found and not changed")
    if counts.referred:
        also.append(f"{counts.referred} kept by references")
    if counts.told_before:
        also.append(f"{counts.told_before} told before")
    return also


def sample_lines(step: str, sample: Sample, due: int) -> Iterator[str]:
    """The keys of the first due rows, the time of the very first, and messages, on lines for 80 columns."""
    if sample.rows:
        keys = [", ".join(_shown(row[name]) for name in sample.key) for row in sample.rows]
        keys = keys if len(sample.key) == 1 else [f"({key})" for key in keys]
        text = f"{step}: first {', '.join(sample.key)} {', '.join(keys)}"
        text += f" and {due - len(keys):,} more" if due > len(keys) else ""
        yield from textwrap.wrap(text, 78, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
        if sample.by is not None:
            yield f"    {sample.by} from {_seconds(sample.rows[0][sample.by])}"
    for event, recipient, payload in sample.messages:
        to = f" to {recipient}" if recipient is not None else ""
        yield one_line(f"  message {event}{to}: {json_text(payload, default=str)}")


def _shown(value: str | None) -> str:
    """Without characters that a terminal obeys, and not longer than a line."""
    plain = visible(one_line(str(value)))
    return plain if len(plain) <= LONGEST_KEY else plain[: LONGEST_KEY - 1] + "…"


def _seconds(time: str | None) -> str:
    """A time as the database writes it, without the parts of its seconds."""
    return _shown(re.sub(r"\.[0-9]+", "", time or "NULL"))


def closing_line(outcome: Outcome, seconds: float, *, dry: bool = False) -> str:
    """ "marketplace.expire_orders: succeeded in 0.3 s, run 12"."""
    number = f", run {outcome.run_id}" if outcome.run_id is not None else ""
    reason = f"{'; for now ' if dry else ': '}{outcome.said}" if outcome.said else ""
    what = "would do this" if dry else outcome.state
    place = f"; raised at {outcome.failure.place}" if outcome.failure and outcome.failure.place else ""
    return one_line(f"{outcome.job}: {what}{'' if dry else f' in {duration_words(seconds)}'}{number}{reason}{place}")


@contextmanager
def progress(job: str) -> Iterator[Watcher]:
    """A live line on a terminal; nothing elsewhere."""
    if not sys.stdout.isatty():
        yield no_watcher
        return
    # rich costs a fifth of a second to load: only people at a terminal pay for it.
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    class Screen(Console):
        """One that never hides the cursor: nobody could show it again after the end by a signal."""

        def show_cursor(self, show: bool = True) -> bool:
            return False

    stream = getattr(sys.stdout, "stream", sys.stdout)  # past the door: what rich writes is for the terminal to obey
    unicode = (stream.encoding or "").lower().replace("-", "") == "utf8"
    columns = (
        SpinnerColumn("dots" if unicode else "line"),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[rows]}", markup=False),
        TimeElapsedColumn(),
    )
    screen = Screen(file=cast(IO[str], _Terminal(stream)))
    with Progress(*columns, transient=True, console=screen) as bar:
        task = bar.add_task(job, total=None, rows="")

        def watch(step: str, counts: Counts) -> None:
            rows = f"{counts.picked:,} rows, {counts.told:,} told"
            bar.update(task, description=visible(one_line(f"{job}: {step}")), rows=rows)

        yield watch


class _Terminal:
    """A terminal that may go away during a run: what can no longer be shown is dropped, and the run goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._stream.write(encodable(text, self._stream.encoding or "utf-8"))

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
