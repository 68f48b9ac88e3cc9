"""What a wave guards: the definition of a job with the package that runs it, as a fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine

from ..config.policy_settings import PolicySettings
from ..db.connect import read_only
from ..declared.policy_fingerprint import definition_of
from ..errors import SextonError
from ..guard.plan_fingerprint import definition
from ..jobs.fingerprints import digits
from ..jobs.job import Job, LazyWork
from ..jobs.registry import POLICIES
from ..runs.runner import planned
from ..version import __version__


def change_of(home: Engine, job: Job, policies: Mapping[str, PolicySettings], settings: str) -> str:
    """Digits that are others when the job does something else, or another package does it; its schedule has no part.

    policies: of the settings file.  settings: fingerprint of all settings, for work that only its database can tell.
    """
    return digits([__version__, job.name, _what_it_does(home, job, policies, settings)])


def _what_it_does(home: Engine, job: Job, policies: Mapping[str, PolicySettings], settings: str) -> Any:
    name = job.name.removeprefix(POLICIES)
    if name != job.name and name in policies:
        return definition_of(policies[name], policies)
    if isinstance(job.work, LazyWork) and job.work.asks_database:
        return settings
    try:
        plans = planned(job)
        with read_only(home) as connection:
            return [definition(connection, plan) for plan in plans if not callable(plan)]
    except SextonError:  # the first visit says what is wrong with it
        return settings
