"""The jobs on demand of `request_jobs` that a flood is made of, and three that are due each second."""

from __future__ import annotations

from sexton import Job, every

from .request_jobs import count_slots, post_wait, post_write

tick_0, tick_1, tick_2 = (
    Job(f"tick.number_{number}", schedule=every("1s"), work=count_slots, group=f"g{number}") for number in range(3)
)
FLOOD = (post_wait, post_write)
