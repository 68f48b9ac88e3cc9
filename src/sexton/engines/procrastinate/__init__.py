"""The Procrastinate engine: messages in the same PostgreSQL, written in the transaction that marks their runs.

    [engines.procrastinate]                      Sexton's own tables and app: sexton engines migrate
    app = "shop.tasks:app"                       or the product's, which then calls `register(app)`

Nothing of Procrastinate's but the carrying is used: no lock or queueing lock, no retry, no periodic task. To hand a
message on, its library is not even imported. Workers: `sexton worker --engine procrastinate`, or
`procrastinate --app sexton.engines.procrastinate.app worker`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .engine import ProcrastinateEngine

if TYPE_CHECKING:
    import procrastinate

    from .tasks import register

    app: procrastinate.App

__all__ = ["ProcrastinateEngine", "app", "register"]


def __getattr__(name: str) -> Any:
    """`app`, for `procrastinate --app sexton.engines.procrastinate.app worker`; `register`, for a product's own app.

    Both need the library, which is imported no sooner.
    """
    if name == "app":
        from .tasks import app_of_settings

        return app_of_settings()
    if name == "register":
        from .tasks import register

        return register
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
