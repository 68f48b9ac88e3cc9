"""Every error that Sexton raises on purpose, with the exit code it ends a command with.

    SextonError                    1   failed
    ├── UsageError                 2   the user can mend it: one line says what, where, and what would be right
    │   ├── SettingsError              a file, an environment variable, an option
    │   ├── ScheduleError              a cron expression, a zone, a duration
    │   ├── PolicyError                a policy that cannot be right (no key, a column that is no time)
    │   ├── UnknownName                a job, a pack, a column nobody has; the nearest names are offered
    │   └── SchemaOutdated             `sexton migrate` has not been run, or is older than this package
    │       └── SchemaUntrusted        its schema or tables belong to somebody else
    ├── JobFailed                  1   a run ended `failed`
    │   └── StoppedByGuard             before its first row: far more rows are due than usual
    ├── TimedOut                   1   a run passed its deadline
    ├── Stopped                    3   a signal ended the run after its current batch
    ├── CallCancelled              1   a call that gives a sign of life is over, or has to end; its function is told so
    ├── DatabaseUnreachable       69   nothing answered; nothing was started
    └── HeldElsewhere             75   another process holds the lease; not an error for cron
        └── LeaseLost                  we held it, and were replaced: nothing more was committed

Messages are one line and never hold a password, a row's values or a DSN with credentials.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .exit_codes import FAILED, HELD, PARTIAL, UNREACHABLE, USAGE

DEEP = 10
"""How many errors that led to another one are looked at."""


class SextonError(Exception):
    """Base of all errors raised on purpose. `exit_code` is what a command ends with."""

    exit_code = FAILED

    @property
    def lines(self) -> tuple[str, ...]:
        """The message as it is printed: one line, or one for each of several errors."""
        return (str(self),)


class UsageError(SextonError):
    """Something the user wrote cannot be right; nothing was started."""

    exit_code = USAGE


class SettingsError(UsageError):
    """A setting is unknown, has the wrong type or an impossible value."""


class SettingsErrors(SettingsError):
    """What is wrong in several places at once."""

    def __init__(self, errors: Iterable[SextonError]) -> None:
        self._lines = tuple(line for error in errors for line in error.lines)
        super().__init__("; ".join(self._lines))

    @property
    def lines(self) -> tuple[str, ...]:
        return self._lines


class ScheduleError(UsageError):
    """A cron expression, a time zone or a duration cannot be read."""


class PolicyError(UsageError):
    """A policy cannot be right: no key, a column that is no time, a table that is not there."""


class UnknownName(UsageError):
    """A name nobody has. The message offers the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.name = name
        super().__init__(f"no {kind} named {name!r}{suggestion(name, known)}")


class SchemaOutdated(UsageError):
    """Sexton's own tables are missing or older than this package."""


class SchemaUntrusted(SchemaOutdated):
    """Sexton's own schema, or a table in it, belongs to somebody whom the role of the jobs does not trust."""


class JobFailed(SextonError):
    """A run ended `failed`; the message is the reason that history keeps."""


class StoppedByGuard(JobFailed):
    """The guard of a policy stopped the run before its first row; the message says why."""


class TimedOut(SextonError):
    """A run passed its deadline and was ended."""


class Stopped(SextonError):
    """A signal asked the run to end; it ended after the batch in hand."""

    exit_code = PARTIAL


class CallCancelled(SextonError):
    """A call has to end: its time is over, its run ends, or its rows are no longer its own. The message says which.

    late: nobody asked it to end; it had its time, and gave no sign of life before that was over.
    """

    def __init__(self, why: str, *, late: bool = False) -> None:
        self.late = late
        super().__init__(why)


class DatabaseUnreachable(SextonError):
    """The database did not answer. The message names host and database, never a password."""

    exit_code = UNREACHABLE


class HeldElsewhere(SextonError):
    """Another process holds the lease of this job."""

    exit_code = HELD


class LeaseLost(HeldElsewhere):
    """The lease was taken over (new epoch): this process may not commit one more row."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and those that led to it, as Python would print them."""
    one: BaseException | None = error
    for _ in range(DEEP):
        if one is None:
            return
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def suggestion(name: str, known: Iterable[str]) -> str:
    """Text to append to "no such name": the nearest known names, or all of them when there are few."""
    from difflib import get_close_matches  # only bad input pays for loading it

    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return f"; did you mean {', '.join(near)}?"
    if names and len(names) <= 8:
        return f"; known: {', '.join(names)}"
    return ""
