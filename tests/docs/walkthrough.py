"""Doing what a page says: write its titled blocks as files, type its commands, compare what comes out.

In a ```console block a line `$ sexton …` is typed; the lines below it are what must be printed, in this order:

    $ sexton run shop.purge_sessions      # typed in a terminal of its own
    STEP            PICKED  CHANGED  TOLD  ALSO
    …                                     # any lines may stand here

Instants, lengths of time, numbers of batches, names of processes and fingerprints may differ. A command ends with exit
code 0 unless `$ echo $?` follows it and shows another. Commands of other programs stand in ```sh blocks, which nobody
runs.
"""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.patience import PATIENCE

from .pages import Block, blocks

ANY_LINES = "…"
_SEXTON = ("-P", "-m", "sexton.cli.main")  # -P: like the installed command, it does not import from the folder it is in
_DIFFERS = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?", "(instant)"),
    (r"\b\d\d-\d\d \d\d:\d\d:\d\d\b", "(instant)"),
    (r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d\d? [A-Z][a-z]{2} \d\d:\d\d\b", "(instant)"),
    (r"\b\d\d? [A-Z][a-z]{2} \d\d:\d\d\b", "(instant)"),
    (r"[+-]\d+\.\d s from", "(length) from"),
    (r"\b(\d+ h \d\d|[\d.]+ (ms|s|min|d|h))\b", "(length)"),
    (r"\"seconds\": [\d.]+", "(length)"),
    (r"\b\d+ batches\b", "(batches)"),  # their size follows the time they take
    (r"\S+:\d+:[0-9a-f]{8}\b", "(process)"),
    (r"\b(?:\d\.[0-9a-f]{4}:)?[0-9a-f]{16}\b", "(fingerprint)"),
    (r"\S*sexton-demo-\w+", "(folder)"),
    (r"\s+", " "),
)


@dataclass(frozen=True)
class Step:
    """One command and what it must print. line: where it stands in the page."""

    command: str
    expected: list[str]
    line: int


def steps(block: Block) -> Iterator[Step]:
    """The commands of a console block."""
    step: Step | None = None
    for number, line in enumerate(block.text.splitlines(), block.line):
        if line.startswith("$ "):
            if step:
                yield step
            step = Step(line[2:], [], number)
        else:
            assert step, f"line {number}: a console block begins with a command"
            step.expected.append(line)
    if step:
        yield step


class Walk:
    """One reader at a terminal, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.code = 0
        self.unread: Step | None = None

    def follow(self, page: Path) -> None:
        """Do all that the page says. AssertionError names the line that is not true."""
        for block in blocks(page):
            if block.title:
                file = self.folder / block.title
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block.text)
            elif block.language == "console":
                for step in steps(block):
                    self._take(step)
        self._expect_success()

    def _take(self, step: Step) -> None:
        words = shlex.split(step.command)
        if words == ["echo", "$?"]:
            assert step.expected == [str(self.code)], f"line {step.line}: the exit code is {self.code}"
            self.code = 0
            return
        self._expect_success()
        if words[0] == "cd":
            self.folder = (self.folder / words[1]).resolve()
            return
        self.code, printed = type_in(command_of(words), self.folder)
        self.unread = step
        problem = difference(step.expected, printed)
        assert problem is None, f"line {step.line}: $ {step.command}\n{problem}\n--- printed:\n" + "\n".join(printed)

    def _expect_success(self) -> None:
        where = f"line {self.unread.line}: $ {self.unread.command}" if self.unread else ""
        assert self.code == 0, f"{where} ended with exit code {self.code}"


def command_of(words: list[str]) -> list[str]:
    """The words of a shown command as a child process of ours."""
    if words == ["make", "demo"]:
        words = ["sexton", "demo"]
    if words[0] == "sexton":
        return [sys.executable, *_SEXTON, *words[1:]]
    assert words[0] == "python", f"a console block may show sexton and python only, not {words[0]!r}"
    return [sys.executable, *words[1:]]


def type_in(command: list[str], folder: Path) -> tuple[int, list[str]]:
    """Run a command in a terminal that shows plain text: its exit code and the lines it printed."""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEXTON_")}
    environment |= {"TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, cwd=folder, env=environment
    )
    os.close(theirs)
    text = _read_all(ours)
    os.close(ours)
    return process.wait(PATIENCE), text.replace("\r\n", "\n").splitlines()


def _read_all(terminal: int) -> str:
    parts = []
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux says so when the last writer is gone
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode()


def difference(expected: list[str], printed: list[str]) -> str | None:
    """What the page says and the command did not print, or None. Empty lines do not count."""
    wanted = [line for line in map(plain, expected) if line]
    lines = [line for line in map(plain, printed) if line]
    at, free = 0, False
    for line in wanted:
        if line == ANY_LINES:
            free = True
            continue
        place = next((number for number in range(at, len(lines)) if matches(line, lines[number])), None)
        if place is None or (place != at and not free):
            return f"expected: {line}\nthere is: {lines[at] if at < len(lines) else '(the end)'}"
        at, free = place + 1, False
    return None if free or at == len(lines) else f"not on the page: {lines[at]}"


def matches(expected: str, printed: str) -> bool:
    """Whether a line is as the page says; `…` in it stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, expected.split(ANY_LINES))), printed) is not None


def plain(line: str) -> str:
    """A line without what differs from one time to the next."""
    for pattern, word in _DIFFERS:
        line = re.sub(pattern, word, line)
    return line.strip()
