"""A pack: the jobs of one product, with options of its own. Imported at every start, so it names its work, no more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .job import Job, LazyWork


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What `sexton demo PACK` shows, beside the pack's jobs.

    seed: given the engine, the time and the scale, makes tables and rows; rows by table.
    table: one of those, by which a database is told that has been shown something already.
    services: entered before all else, gives settings as `sexton.toml` has them: servers on loopback; None: none.
    earlier: whether the jobs ran two days ago already, as what they do today needs that.
    also: further jobs that run, last.  story: given the engine, what there is to see afterwards, line by line.
    """

    seed: Callable[[Any, datetime, int], dict[str, int]]
    table: str
    services: Callable[[], AbstractContextManager[Mapping[str, Any]]] | None = None
    earlier: bool = False
    also: tuple[str, ...] = ()
    story: Callable[[Any], Iterable[str]] | None = None


@dataclass(frozen=True, slots=True)
class Pack:
    """What `packs = ["name"]` enables.

    options: dataclass of its settings, `[pack.name]`, declared with `setting()`.
    jobs: given the options and the dialect ("postgresql", "sqlite"), its jobs; their work should be `LazyWork`.
    demo: `LazyWork` of a `Demonstration`; None: the pack has no demonstration.
    keeps_outbox: whether, with these options, its jobs purge Sexton's own outbox and the housekeeping need not;
        None: they never do.
    routes: given the options, the `Route`s of its messages, each of which `[route.NAME]` can change; None: it has none.
    templates: the folder of those that its routes name, "sexton.packs.storefront:templates".
    """

    name: str
    options: type[Any]
    jobs: Callable[[Any, str], Sequence[Job]]
    demo: LazyWork | None = None
    keeps_outbox: Callable[[Any], bool] | None = None
    routes: Callable[[Any], Sequence[Any]] | None = None
    templates: str = ""
