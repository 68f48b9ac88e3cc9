"""The text of a crontab: one line for whatever is due, or a line a job, with comments that say what each is for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from ...jobs.duration import duration_in_words
from ...jobs.job import Job
from ...jobs.schedule import Schedule
from ...texts import one_line, visible
from .command_line import Place
from .slot_fields import every_minutes, fields_for

CPANEL_LIMIT = timedelta(minutes=5)
"""After so long many shared hosts end a process."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What kind of crontab.

    grain: minutes between two starts, one of fields.GRAINS.  per_job: a line a job.  cpanel: for shared hosting.
    server: the zone of cron; None when not known.  mail: an address that cron is to mail what is printed.
    """

    grain: int = 1
    per_job: bool = False
    cpanel: bool = False
    server: str | None = None
    mail: str | None = None


def crontab(jobs: Iterable[Job], place: Place, wishes: Wishes, now: datetime) -> str:
    """The whole text, ended by a line feed; `crontab -` takes it. UsageError for paths that no crontab can hold.

    now: from when on zones are looked at, for lines of single jobs.
    """
    jobs = list(jobs)
    lines = [*_head(wishes), *(_limits(jobs) if wishes.cpanel else ())]
    if wishes.mail:
        lines.append(f"MAILTO={wishes.mail}")
    if wishes.per_job:
        lines += _each(jobs, place, wishes, now)
    else:
        lines += ["#", "# Jobs, and when they are due:", *(f"#   {_about(job)}" for job in jobs)]
        lines += ["", f"{every_minutes(wishes.grain)} {place.command()}"]
    return "\n".join(lines) + "\n"


_ALWAYS = """\
# Cron only wakes Sexton, in whatever zone. What is due is decided by the zone of each schedule;
# a slot runs once, and lines may overlap. --quiet: no output, so no mail, unless something failed.
"""
_PER_JOB = """\
# Make it again when jobs or schedules change in the settings. Schedules that `sexton reschedule` changes
# need the one line for all instead. Each time comes twice: the second start is for a clock that is ahead
# of the database's, and for what was held the first time. A line every few minutes stands where fields
# could miss a slot; cron reads them in {zone}.
"""
_CPANEL = """\
#
# cPanel: copy the fields and the command of each line into the page of cron jobs; the address for mail
# is a field of that page. Jobs start up to five minutes late, and none is lost.
# Execution limits: a run ends by itself after its `timeout`, 4 minutes unless set, before the host's
# usual 5 minutes. A host that kills earlier does no harm: what is done stays, the rest runs next time.
"""


def _head(wishes: Wishes) -> Iterator[str]:
    words = [*(["--cpanel"] if wishes.cpanel else ()), *(["--per-job"] if wishes.per_job else ())]
    yield f"# Made by `{' '.join(['sexton crontab', *words])}`."
    yield from _ALWAYS.splitlines()
    if wishes.per_job:
        yield from _PER_JOB.format(zone=wishes.server or "a zone that is not known").splitlines()


def _limits(jobs: list[Job]) -> Iterator[str]:
    yield from _CPANEL.splitlines()
    for job in jobs:
        if job.time_limit >= CPANEL_LIMIT:
            yield f"# Beware: {job.name} may take {duration_in_words(job.time_limit)}; ask your host for its limit."


def _each(jobs: list[Job], place: Place, wishes: Wishes, now: datetime) -> Iterator[str]:
    for job in jobs:
        yield from ("", f"# {_about(job)}")
        if job.schedule is not None:
            # What waits for it may come at any time; a slot of its schedule is found by the same line.
            fields = every_minutes(wishes.grain) if job.demand else _fields(job.schedule, wishes, now)
            yield f"{fields} {place.command(job.name)}"


def _fields(schedule: Schedule, wishes: Wishes, now: datetime) -> str:
    return fields_for(schedule, wishes.server, wishes.grain, now)


def _about(job: Job) -> str:
    # A description may be anything; a line feed in it would begin a line of the crontab.
    purpose = visible(one_line(" ".join(job.description.split())))
    return f"{job.name}: {purpose}; {job.due_words}" if purpose else f"{job.name}: {job.due_words}"
