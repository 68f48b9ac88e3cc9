"""For tests of jobs: run one at a stated time against a database, and start a throw-away PostgreSQL for it.

run = run_job(engine, expire_orders, at="2026-03-27T02:30Z")
assert run.state == "succeeded" and run.total.changed == 1

`Outside` stands in for whatever a `Call` calls: see `sexton.testing.outside`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .jobs import preview_job as preview_job
from .jobs import run_job as run_job

if TYPE_CHECKING:
    from .outside import Outside as Outside


def __getattr__(name: str) -> object:
    if name == "Outside":
        from .outside import Outside

        return Outside
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
