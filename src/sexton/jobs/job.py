"""A job: a named unit of work, when it is due, and how long it may take."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from importlib import import_module
from types import UnionType
from typing import TYPE_CHECKING

from ..errors import PolicyError, ScheduleError, suggestion
from .backoff import Backoff
from .duration import parse_duration
from .foreign_code import guarded
from .guard_options import Guard
from .misfire import COALESCE, Misfire
from .on_demand import OnDemand
from .schedule import Schedule

if TYPE_CHECKING:
    from sqlalchemy import Engine

OVERLAPS = ("queue", "skip")
OWN_ENGINE = "worker"
"""The engine that needs nothing else: Sexton's worker, and `run --due`."""

IN_DATABASE = "pg_cron"
"""The engine that is no process of ours: procedures inside PostgreSQL, started by its extension (PGC-1)."""

_NAME = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*")
GUARDED = Guard()
_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True, slots=True)
class LazyWork:
    """Work that is imported only when its job runs, so that listing jobs loads no database code.

    path: "module:function"; load() calls the function with `arguments` and what it returns is the work.
    asks_database: the function gets the database first: the engine that the run works with, not one of its own.
    Raises PolicyError: at once for a path of another shape, in load() for one that leads nowhere.
    """

    path: str
    arguments: tuple[object, ...] = ()
    asks_database: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.path, str) or not _PATH.fullmatch(self.path):
            raise PolicyError(f'work {self.path!r}: write "module:function", for instance "shop.work:expire"')

    def load(self, database: Engine | None = None) -> object:
        """The work itself. PolicyError for a path that leads nowhere, and without a database where one is asked."""
        if self.asks_database and database is None:
            raise PolicyError(f"work {self.path!r} asks the database what its tables are: load(database)")
        module_name, _, function_name = self.path.partition(":")
        about, owner = f"work {self.path!r}", "" if module_name.startswith("sexton.") else module_name
        with guarded(about, PolicyError, owner):
            module = import_module(module_name)
        function = getattr(module, function_name, None)
        if not callable(function):
            known = (name for name, value in vars(module).items() if callable(value) and not name.startswith("_"))
            near = suggestion(function_name, known)
            raise PolicyError(f"{about}: {module_name} has no function {function_name!r}{near}")
        arguments = (database, *self.arguments) if self.asks_database else self.arguments
        if not owner:
            return function(*arguments)
        with guarded(about, PolicyError, owner):
            return function(*arguments)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Job:
    """One definition from which everything else follows. All but the name is given by keyword.

    name: lower-case words joined by dots, "marketplace.expire_orders"; unique in a registry.
    schedule: None means only by hand.  timeout: the run is ended after this long; "4m" by default.
    work: a policy, a sequence of policies, a function of the run, or LazyWork; never None.
    priority: of several due jobs, the higher runs first; 0 by default.
    retry: delays before a failed run is tried again; None, the default: the next slot is the retry.
    misfire: what happens to missed slots; by default the latest one is made up.
    catch_up: a job that is seen for the first time runs at once, for its latest slot; False: at its next slot.
    overlap: a slot that comes while the job runs is made up afterwards ("queue"), or given up ("skip").
    guard: what its policies may take at once, see `Guard`; None: whatever is due.
    demand: `LazyWork` of a function of a connection and the time, which tells whether something waits for the job: then
        it is due, beside its schedule.
    on_demand: it is asked for with arguments, `work(run, invoice_id)`; it has no schedule then.
    enabled: False: only by hand, whatever is rescheduled; set by `[job."name"] enabled`.
    engine: what carries its runs to a process; set by the settings `engine` and `[job."name"] engine`, never by code.
    group: jobs of one group never run beside each other in a worker, nor in all workers of an engine; "" stands for the
        first word of the name.
    Raises PolicyError or ScheduleError, one line that begins with the job's name.
    """

    name: str
    _: KW_ONLY
    work: object
    schedule: Schedule | None = None
    timeout: str = "4m"
    priority: int = 0
    retry: Backoff | None = None
    misfire: Misfire = COALESCE
    catch_up: bool = False
    overlap: str = "queue"
    group: str = ""
    demand: LazyWork | None = None
    on_demand: OnDemand | None = None
    enabled: bool = True
    engine: str = OWN_ENGINE
    description: str = ""
    guard: Guard | None = GUARDED

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise PolicyError(f"job {self.name!r}: a name is lower-case words joined by dots: shop.expire_orders")
        if self.work is None or isinstance(self.work, str):
            raise PolicyError(f"job {self.name}: work must be a policy, a function or LazyWork(...)")
        self._check("schedule", "cron(...), every(...) or None", Schedule | None)
        self._check("retry", 'parse_backoff(["1h", "6h"]) or None', Backoff | None)
        self._check("misfire", "Misfire(...)", Misfire)
        self._check("priority", "a whole number", int)
        self._check("guard", "Guard(...) or None", Guard | None)
        self._check("demand", "LazyWork(...) or None", LazyWork | None)
        self._check("on_demand", "OnDemand(...) or None", OnDemand | None)
        if self.on_demand is not None and (self.schedule is not None or self.demand is not None):
            raise ScheduleError(f"job {self.name}: a job on demand has no schedule; let a job that has one enqueue it")
        if self.overlap not in OVERLAPS:
            raise ScheduleError(
                f"job {self.name}: overlap {self.overlap!r} is not known{suggestion(str(self.overlap), OVERLAPS)}"
            )
        if not self.time_limit:
            raise ScheduleError(f"job {self.name}: timeout must be longer than 0s")

    @property
    def time_limit(self) -> timedelta:
        """`timeout` as a length of time; longer than nothing."""
        return parse_duration(self.timeout, where=f"job {self.name}: timeout")

    @property
    def due_words(self) -> str:
        """When it is due: "every hour", "only by hand", "whenever something waits for it, and every hour"."""
        if self.on_demand is not None:
            return "when it is asked for"
        words = "only by hand" if self.schedule is None else self.schedule.words()
        return words if self.demand is None else f"whenever something waits for it, and {words}"

    def load(self, database: Engine | None = None) -> object:
        """The work itself; imports it now if it is LazyWork. Raises PolicyError when that fails.

        database: that of the run; None, without one at hand, does for all but the policies of a settings file.
        """
        return self.work.load(database) if isinstance(self.work, LazyWork) else self.work

    def _check(self, field: str, wanted: str, kind: type | UnionType) -> None:
        value = getattr(self, field)
        if not isinstance(value, kind):
            raise ScheduleError(f"job {self.name}: {field} must be {wanted}, not {value!r}")
