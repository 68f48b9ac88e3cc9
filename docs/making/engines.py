"""The page of the engines: the options of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sexton.app import ENGINES
from sexton.engines.celery import CeleryEngine
from sexton.engines.pg_cron.options import PgCronOptions
from sexton.engines.procrastinate import ProcrastinateEngine
from sexton.engines.rq import RqEngine

from .markdown import page
from .pack_parts import options_table

OPTIONS: dict[str, tuple[type[Any], str]] = {
    "procrastinate": (ProcrastinateEngine.Options, "None is needed. [Step by step](../how-to/procrastinate.md)."),
    "celery": (CeleryEngine.Options, "One of `app` and `broker` is needed. [Step by step](../how-to/celery.md)."),
    "rq": (RqEngine.Options, "`url` is needed. [Step by step](../how-to/rq.md)."),
    "pg_cron": (PgCronOptions, "None is needed. [Step by step](../how-to/inside-postgres.md)."),
}
"""By the name of the engine: its dataclass, and a sentence about it."""


def engines() -> str:
    """Options of each engine."""
    return page("Engines", "src/sexton/engines", _parts())


def _parts() -> Iterator[str]:
    yield (
        "What carries runs to a process: [`engine`](settings.md) for all jobs, or in "
        '[`[job."NAME"]`](settings.md#jobname) for one. `worker` needs nothing here.'
    )
    for name in ENGINES:
        if name in OPTIONS:
            options, words = OPTIONS[name]
            yield f"## {name.capitalize()}"
            yield f"`[engines.{name}]`. {words}"
            yield options_table(options)
