"""The functions of jobs on demand, loaded once a process, and what each request calls them with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from ...errors import PolicyError, UsageError
from ...jobs.arguments import Parameters, UnfitArguments, loaded_arguments
from ...jobs.job import Job
from ...jobs.on_demand import OnDemand
from ...jobs.registry import Registry
from ...requests.claimed_request import ClaimedRequest
from ..failure import error_message

LOADED_AGAIN_SECONDS = 30.0
"""Seconds until work that could not be loaded is tried to be loaded again: somebody mends it."""


@dataclass(frozen=True, slots=True)
class DemandedFunction:
    """What a request of one job calls. seconds: the job's timeout."""

    job: Job
    about: OnDemand
    call: Callable[..., object]
    parameters: Parameters
    seconds: float

    def arguments(self, request: ClaimedRequest) -> dict[str, Any]:
        """What it is called with for this request. UnfitArguments: nothing that it takes."""
        kept: Any = loaded_arguments(request.args)
        if request.args_version < self.about.args_version:
            kept = self._upgraded(kept, request.args_version)
        try:
            return self.parameters.read(kept)
        except UsageError:
            raise
        except Exception as error:  # what `upgrade` made of them is odd; the words might hold a value
            raise UnfitArguments(f"{self.job.name}: its arguments cannot be read: {type(error).__name__}") from error

    def _upgraded(self, kept: dict[str, Any], since: int) -> dict[str, Any]:
        if self.about.upgrade is None:
            return kept
        try:
            upgraded = dict(self.about.upgrade(kept, since))
        except Exception as error:
            words = f"{self.job.name}: upgrade of the arguments from version {since}: {error_message(error)}"
            raise UnfitArguments(words) from error
        return upgraded


def demanded(job: Job, database: Engine | None = None) -> DemandedFunction:
    """The function of a job on demand. PolicyError where its work is none, or cannot be loaded."""
    if job.on_demand is None:
        raise PolicyError(f"{job.name}: this job takes no arguments; it is asked for by `sexton trigger {job.name}`")
    work: Any = job.load(database)
    if isinstance(work, list | tuple) and len(work) == 1:
        work = work[0]
    return DemandedFunction(job, job.on_demand, work, Parameters(job.name, work), job.time_limit.total_seconds())


class DemandedFunctions:
    """Those of a registry. What cannot be loaded is tried again after half a minute."""

    def __init__(self, registry: Registry, database: Engine) -> None:
        self._registry = registry
        self._database = database
        self._known: dict[str, DemandedFunction] = {}
        self._broken: dict[str, tuple[float, UsageError]] = {}

    def knows(self, request: ClaimedRequest) -> bool:
        """Whether there is such a job here, and its arguments are of no later version than ours."""
        found = self._known.get(request.job)
        try:
            about = found.about if found is not None else self.about(request.job)
        except UsageError:
            return False
        return request.args_version <= about.args_version

    def about(self, name: str) -> OnDemand:
        """What the job says about its requests; the defaults where that is not known."""
        return self._registry.get(name).on_demand or OnDemand()

    def get(self, name: str) -> DemandedFunction:
        """The function of this job, which is known. PolicyError, or another UsageError, where it cannot be had."""
        found = self._known.get(name)
        if found is not None:
            return found
        until, error = self._broken.get(name, (0.0, None))
        if error is not None and time.monotonic() < until:
            raise error
        try:
            self._known[name] = demanded(self._registry.get(name), self._database)
        except UsageError as wrong:
            self._broken[name] = (time.monotonic() + LOADED_AGAIN_SECONDS, wrong)
            raise
        return self._known[name]
