"""The jobs of one application, by name."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import PolicyError, UnknownName
from .job import Job

POLICIES = "policies."
"""How the names of jobs begin that are policies of the settings file."""


class Registry:
    """Jobs under unique names; iterated by priority, the highest first, then in the order they were added."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    def add(self, job: Job) -> None:
        """Take a job in. Raises PolicyError when its name is taken, even by the same job."""
        if job.name in self._jobs:
            raise PolicyError(f"two jobs are named {job.name!r}; each needs a name of its own")
        self._jobs[job.name] = job

    def get(self, name: str) -> Job:
        """The job of that name, or of the policy of the settings file. Raises UnknownName with the nearest names."""
        for known in (name, f"{POLICIES}{name}"):
            if known in self._jobs:
                return self._jobs[known]
        raise UnknownName("job", name, self._jobs)

    def names(self) -> list[str]:
        """All names, in the order of iteration."""
        return [job.name for job in self]

    def __iter__(self) -> Iterator[Job]:
        return iter(sorted(self._jobs.values(), key=lambda job: -job.priority))

    def __len__(self) -> int:
        return len(self._jobs)
