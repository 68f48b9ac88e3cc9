"""A job with what the settings change about it: `[job."NAME"]`, and an offset of its own by `stagger`."""

from __future__ import annotations

from dataclasses import replace

from ..errors import SettingsError
from ..jobs.guard_options import Guard
from ..jobs.job import Job
from ..jobs.schedule import parse_schedule
from .job_settings import JobSettings
from .settings import Settings


def key_of_job(job: Job) -> str:
    return f'job."{job.name}"'


def overridden(job: Job, override: JobSettings | None, zone: str) -> Job:
    """The job with what `[job."name"]` changes about it."""
    if override is None:
        return job
    schedule = job.schedule
    if job.on_demand is not None and (override.schedule or override.catch_up):
        raise SettingsError(f"{key_of_job(job)}.schedule: this job is asked for with arguments, and has no schedule")
    if override.schedule is not None or override.timezone is not None:
        written = override.schedule or (schedule.text if schedule else None)
        if written is None:
            raise SettingsError(f"{key_of_job(job)}.timezone: this job has no schedule; give one too")
        schedule = parse_schedule(written, override.timezone or (schedule.zone if schedule else zone))
    return replace(
        job,
        schedule=None if override.enabled is False else schedule,
        enabled=override.enabled is not False,
        timeout=override.timeout or job.timeout,
        overlap=override.overlap or job.overlap,
        catch_up=job.catch_up if override.catch_up is None else override.catch_up,
        group=override.group or job.group,
        priority=job.priority if override.priority is None else override.priority,
        guard=_guard(job, override),
    )


def _guard(job: Job, override: JobSettings) -> Guard | None:
    """What `[job."name"]` says about the job's guard. SettingsError where a policy of the settings says it already."""
    given = (override.guard, override.max_share, override.arm)
    if given == (None, None, None):
        return job.guard
    if job.name.startswith("policies."):
        raise SettingsError(
            f'job."{job.name}": how it is guarded stands in [{job.name}]: max_share; `sexton arm` lets it take rows'
        )
    if override.guard is False:
        return None
    own = job.guard or Guard()
    share = own.max_share if override.max_share is None else override.max_share
    return Guard(share, own.arm if override.arm is None else override.arm)


def spread(job: Job, override: JobSettings | None, settings: Settings) -> Job:
    """The job with an offset of its own where `stagger` asks for one."""
    asked = override.stagger if override is not None else None
    if job.schedule is None or not (settings.stagger if asked is None else asked):
        return job
    from ..jobs.stagger import can_stagger, staggered
    from .fingerprint import installation

    if asked and not can_stagger(job.schedule):
        raise SettingsError(
            f'{key_of_job(job)}.stagger: only a schedule such as "every 1h", from 5 minutes on and without an offset, '
            "can be staggered"
        )
    return replace(job, schedule=staggered(job.schedule, installation(settings), job.name))
