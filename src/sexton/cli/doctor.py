"""What would hurt: plans, indexes, children, triggers, rights, vacuum, the server; and the SQL that helps.

Reads only, in short transactions, and gives each question up after 5 seconds. With NAME, a job or a policy, all that
was found and the plan of each step; without, a verdict for each step and what people should know. The worst comes
first, and one line stands for all that has one cause; --all tells each. Exit code 0 when nothing is worse than a note,
1 when there is a warning or something wrong, 2 when jobs could not be loaded, 69 when the database cannot be reached.
"""

from __future__ import annotations

import textwrap
from argparse import ArgumentParser, Namespace
from collections import Counter
from dataclasses import asdict
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from ..console import say
from ..db.connect import read_only
from ..doctor.diagnose import diagnose
from ..doctor.grants import grants
from ..doctor.grouping import TOLD_ELSEWHERE, by_cause, worst_first
from ..engines.engine_findings import engine_findings
from ..errors import UsageError
from ..exit_codes import DONE, FAILED
from ..texts import visible
from ._common import add_json, open_app, print_json, tell_unloaded

if TYPE_CHECKING:
    from ..app import App
    from ..doctor.finding import Finding

WIDEST = 100
"""Columns that text is wrapped to on a wide terminal."""

INDENT = " " * 10
"""Below a level, which is eight letters wide."""


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="one job, or one policy of the settings file")
    parser.add_argument(
        "--sample",
        action="store_true",
        help="with NAME: run one batch of at most 100 rows, or of one block, measure it, and roll it back; locks "
        "these rows for its time, fires triggers, takes numbers from sequences",
    )
    parser.add_argument(
        "--all", action="store_true", help="each finding for itself, where one line would stand for many"
    )
    parser.add_argument(
        "--grants",
        nargs="?",
        const="sexton_jobs",
        metavar="ROLE",
        help="print the SQL that lets a role of this name (sexton_jobs) do just what the jobs do; PostgreSQL",
    )
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Print what was found; 1 when somebody should act."""
    app = open_app(arguments, partly=True)
    if arguments.grants is not None:
        return _grants(app, arguments)
    if arguments.sample and arguments.name is None:
        raise UsageError("--sample runs a batch; say of which job: sexton doctor NAME --sample")
    jobs = list(app.registry) if arguments.name is None else [app.registry.get(arguments.name)]
    found = worst_first(
        [
            *diagnose(app.database, jobs, size=app.limits().rows, sampling=arguments.sample),
            *(engine_findings(app) if arguments.name is None else ()),
        ]
    )
    if arguments.json:
        print_json([_written(finding) for finding in found])
    told = found if arguments.all else list(by_cause(found))
    if not arguments.json:
        shown = _Printer(in_full=arguments.name is not None)
        for finding in told:
            shown.show_finding(finding)
        shown.tell_plans()
        say("", _summary(Counter(finding.level for finding in told if finding.about != TOLD_ELSEWHERE)))
    unloaded = DONE if arguments.name else tell_unloaded(app)
    return unloaded or (FAILED if any(finding.level in ("warning", "wrong") for finding in found) else DONE)


def _grants(app: App, arguments: Namespace) -> int:
    """Print them; 2 when jobs could not be loaded, whose rights would be missing."""
    if app.dialect != "postgresql":
        raise UsageError("--grants is for PostgreSQL: a SQLite file knows no roles, only who may write the file")
    jobs = list(app.registry) if arguments.name is None else [app.registry.get(arguments.name)]
    with read_only(app.database) as connection:
        lines = list(grants(connection, jobs, arguments.grants))
    say(*(line for text in lines for line in text.split("\n")))
    return DONE if arguments.name else tell_unloaded(app)


def _written(finding: Finding) -> dict[str, str]:
    """Each finding stands for itself there, without what joins it to others."""
    return {name: value for name, value in asdict(finding).items() if name not in ("many", "subject")}


def _summary(levels: Counter[str]) -> str:
    parts = []
    for level, one, many in (
        ("wrong", "wrong", "wrong"),
        ("warning", "warning", "warnings"),
        ("note", "note", "notes"),
    ):
        if levels[level]:
            parts.append(f"{levels[level]} {one if levels[level] == 1 else many}")
    return ", ".join(parts) or "nothing to say: all is well"


class _Printer:
    """Prints findings as they come, below the name of their job.

    in_full: with plans, and with what is well; else only the plan's verdict of that.
    """

    def __init__(self, *, in_full: bool) -> None:
        self.in_full = in_full
        self.width = min(get_terminal_size().columns, WIDEST)
        self.job: str | None = None
        self.plans: list[Finding] = []

    def show_finding(self, finding: Finding) -> None:
        """One finding, or nothing."""
        if finding.level == "ok" and not self.in_full and finding.about != "plan" and finding.job:
            return
        if finding.job != self.job:
            say(*([] if self.job is None else [""]), finding.job or "database")
            self.job = finding.job
        alone = not finding.step or finding.step == finding.job.rpartition(".")[2]
        about = finding.about if alone else f"{finding.step}, {finding.about}"
        first, *others = self._wrapped(f"{about}: {finding.text}")
        say(f"  {finding.level:<8}{first}", *(INDENT + line for line in others))
        if finding.sql:
            say(*(INDENT + line for line in finding.sql.split("\n")))  # never wrapped: it is to be copied
        if self.in_full and finding.plan:
            self.plans.append(finding)

    def tell_plans(self) -> None:
        """What the findings left for the end, as it is long."""
        for finding in self.plans:
            say("", f"plan of {finding.step}")
            for line in finding.plan.split("\n"):
                say(*self._planned(visible(line)))

    def _wrapped(self, text: str) -> list[str]:
        columns = self.width - len(INDENT)
        return textwrap.wrap(visible(text), columns, break_long_words=False, break_on_hyphens=False)

    def _planned(self, line: str) -> list[str]:
        """A line of a plan, indented as it was where it is too long for one."""
        depth = "  " + " " * (len(line) - len(line.lstrip()))
        below = depth + "    "
        return textwrap.wrap(
            line.strip(), self.width, initial_indent=depth, subsequent_indent=below, break_on_hyphens=False
        )
