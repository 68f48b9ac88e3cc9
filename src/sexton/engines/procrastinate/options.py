"""Settings `[engines.procrastinate]`: whose app and tables, which queues."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...config import setting
from ...setting_fields import Misfit

OWN_SCHEMA = "procrastinate"
"""Where Sexton puts the tables, when the product has none."""

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class ProcrastinateOptions:
    """The engine "procrastinate": jobs carried by PostgreSQL, without a broker."""

    app: str = setting(
        "",
        "the product's own Procrastinate app, as module:name, in the same database; by default Sexton has its own",
        example="shop.tasks:app",
    )
    schema: str = setting(
        "",
        'schema of Procrastinate\'s tables: "procrastinate" by default, with `app` "public"',
        example="procrastinate",
    )
    queue: str = setting("sexton", "its queue for all runs but those of a job with a priority above 0")
    high_queue: str = setting("sexton.high", "its queue for those; a worker that takes both takes these first")

    def check(self) -> None:
        """Misfit for a schema that would have to be quoted, an app that is no module:name, one queue for both."""
        if self.schema and not _NAME.fullmatch(self.schema):
            raise Misfit(f"{self.schema!r}: write a name of small letters, digits and _", "schema")
        if self.app and not re.fullmatch(r"[\w.]+:\w+", self.app):
            raise Misfit(f'{self.app!r} is no module and name; write app = "shop.tasks:app"', "app")
        if self.queue == self.high_queue:
            raise Misfit("queue and high_queue need two different names", "high_queue")

    @property
    def place(self) -> str:
        """The schema that the tables are in."""
        return self.schema or ("public" if self.app else OWN_SCHEMA)

    @property
    def queues(self) -> tuple[str, str]:
        """All that workers of ours listen to."""
        return self.high_queue, self.queue
