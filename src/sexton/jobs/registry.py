"""The jobs of one application, by name."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import PolicyError, SettingsErrors, UnknownName, UsageError
from .job import Job

POLICIES = "policies."
"""How the names of jobs begin that are policies of the settings file."""


class Registry:
    """Jobs under unique names; iterated by priority, the highest first, then in the order they were added."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._twice: set[str] = set()
        self.unloaded: dict[str, UsageError] = {}
        """Why some jobs are not here, by where they would come from: a module, a pack, a policy."""

    def add(self, job: Job) -> None:
        """Take a job in. Raises PolicyError when its name is taken, even by the same job; then neither stays."""
        if job.name in self._jobs or job.name in self._twice:
            self._twice.add(job.name)
            self._jobs.pop(job.name, None)
            raise PolicyError(f"two jobs are named {job.name!r}; each needs a name of its own")
        self._jobs[job.name] = job

    def get(self, name: str) -> Job:
        """The job of that name, or of the policy of the settings file. Raises UnknownName with the nearest names.

        While something could not be loaded, the error tells that instead: the job may be in there.
        """
        for known in (name, f"{POLICIES}{name}"):
            if known in self._jobs:
                return self._jobs[known]
        if not self.unloaded:
            raise UnknownName("job", name, self._jobs)
        missing = {name, f"{POLICIES}{name}"} & self.unloaded.keys() or self.unloaded.keys()
        reasons = "; ".join(str(self.unloaded[source]) for source in self.unloaded if source in missing)
        raise UsageError(f"no job named {name!r} could be loaded: {reasons}")

    def require_all(self) -> None:
        """Raises what is wrong with whatever could not be loaded, a line each."""
        errors = list(self.unloaded.values())
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise SettingsErrors(errors)

    def names(self) -> list[str]:
        """All names, in the order of iteration."""
        return [job.name for job in self]

    def __iter__(self) -> Iterator[Job]:
        return iter(sorted(self._jobs.values(), key=lambda job: -job.priority))

    def __len__(self) -> int:
        return len(self._jobs)
