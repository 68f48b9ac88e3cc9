"""Settings `[job."NAME"]`: what is changed about one job."""

from __future__ import annotations

from dataclasses import dataclass

from ..setting_fields import setting


@dataclass(frozen=True, slots=True)
class JobSettings:
    """What is changed about one job; whatever is left out stays as the job's definition says."""

    enabled: bool | None = setting(None, "false: never due by itself, still runs when asked for by name", example=False)
    schedule: str | None = setting(
        None, 'when it is due: "10 4 * * *", "@daily" or "every 5m"', kind="schedule", example="10 4 * * *"
    )
    timezone: str | None = setting(None, "IANA zone of the schedule", kind="timezone", example="Europe/Berlin")
    timeout: str | None = setting(
        None, "longest time a run may take", kind="duration", minimum="1s", maximum="7d", example="4m"
    )
    overlap: str | None = setting(
        None,
        'a slot that comes while the job runs is made up afterwards ("queue"), or given up ("skip")',
        example="skip",
    )
    group: str | None = setting(
        None, "jobs of one group never run beside each other; the first word of its name by default", example="orders"
    )
    priority: int | None = setting(
        None, "of the jobs due at once, the highest starts first", minimum=-1000, maximum=1000, example=10
    )
    catch_up: bool | None = setting(
        None, "true: a job that is seen for the first time runs at once, not at its next slot", example=True
    )
    stagger: bool | None = setting(
        None, "whether an even interval gets an offset of its own, whatever the general `stagger` says", example=False
    )
    guard: bool | None = setting(
        None,
        "false: its policies take whatever is due, however much; true: the guard that its definition leaves out",
        example=True,
    )
    max_share: float | None = setting(
        None,
        "share of a table from which on its runs stop before a policy's first row, until `sexton arm` has been asked; "
        "1.0: only its habit counts; by default 0.2",
        minimum=0.0,
        maximum=1.0,
        example=0.5,
    )
    engine: str | None = setting(
        None, "what carries its runs to a process, in place of the general `engine`", kind="engine", example="celery"
    )
    arm: bool | None = setting(
        None,
        "true: its runs only count until `sexton arm` has confirmed it, and again once it was changed",
        example=True,
    )

    def check(self) -> None:
        """ValueError when the guard is switched off and set at once."""
        if self.guard is False and (self.max_share is not None or self.arm):
            raise ValueError("guard = false leaves nothing for max_share and arm to say")
