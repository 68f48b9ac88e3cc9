"""Findings as people read them: one line a cause, the worst first, nothing twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

from .finding import LEVELS, Finding

MAX_NAMED_SUBJECTS = 3
"""Subjects of one cause that are named, with as many statements."""

TOLD_ELSEWHERE = "again"
"""What a finding is about that only says where others were told."""

TOPIC_ORDER = ("rights", "job", "server", "schema", "clock", "rules", "index", "archive", "plan", "sample")
"""What is told first among findings of one level; the rest comes after it, as it was asked."""


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """The database, then the jobs by the worst that was found about each; so their findings, too."""
    by_job: dict[str, list[Finding]] = {}
    for finding in findings:
        by_job.setdefault(finding.job, []).append(finding)
    jobs = [sorted(found, key=_badness) for found in by_job.values()]
    jobs.sort(key=lambda found: (found[0].job != "", -LEVELS.index(found[0].level)))
    return [finding for found in jobs for finding in found]


def _badness(finding: Finding) -> tuple[int, int]:
    place = TOPIC_ORDER.index(finding.about) if finding.about in TOPIC_ORDER else len(TOPIC_ORDER)
    return -LEVELS.index(finding.level), place


def by_cause(findings: Iterable[Finding]) -> Iterator[Finding]:
    """One for all that have the same cause. findings: of one job after the other, as `worst_first` gives them."""
    told: dict[tuple[str, str, str], str] = {}
    for job, found in groupby(findings, key=lambda finding: finding.job):
        kept, again = [], Counter[tuple[str, str]]()
        for finding in _joined(found):
            first = told.setdefault((finding.about, finding.text, finding.sql), job)
            if first == job or not finding.sql:
                kept.append(finding)
            else:
                again[finding.level, first] += 1
        for (level, first), count in again.items():
            what = "the same" if count == 1 else f"the same {count} things"
            kept.append(Finding(level, TOLD_ELSEWHERE, f"{what} as under {first}", job=job))
        yield from sorted(kept, key=lambda finding: -LEVELS.index(finding.level))


def _joined(findings: Iterable[Finding]) -> list[Finding]:
    """The findings of one job, joined by cause, each where its first one was."""
    groups: dict[object, list[Finding]] = {}
    for number, finding in enumerate(findings):
        alike = (finding.level, finding.about, finding.step, finding.many)
        groups.setdefault(alike if finding.many else number, []).append(finding)
    return [_as_one(group) if len(group) > 1 else group[0] for group in groups.values()]


def _as_one(group: list[Finding]) -> Finding:
    subjects = list(dict.fromkeys(finding.subject for finding in group))
    lines = list(dict.fromkeys(line for finding in group for line in finding.sql.splitlines()))
    names = _some(subjects, ", ", " and {} more")
    sql = _some(lines, "\n", "\n-- and {} more: --all")
    return replace(group[0], text=f"{group[0].many.format(len(subjects))}: {names}", sql=sql)


def _some(items: list[str], between: str, rest: str) -> str:
    left = len(items) - MAX_NAMED_SUBJECTS
    return between.join(items[:MAX_NAMED_SUBJECTS]) + (rest.format(left) if left > 0 else "")
