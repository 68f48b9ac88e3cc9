"""A pack: the jobs of one product, with options of its own. Imported at every start, so it names its work, no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .job import Job, LazyWork


@dataclass(frozen=True, slots=True)
class Pack:
    """What `packs = ["name"]` enables.

    options: dataclass of its settings, `[pack.name]`, declared with `setting()`.
    jobs: given the options and the dialect ("postgresql", "sqlite"), its jobs; their work should be `LazyWork`.
    demo: `LazyWork` of a `Demo`; None: the pack has no demonstration.
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
