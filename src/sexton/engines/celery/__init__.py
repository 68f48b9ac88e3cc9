"""Celery carries runs: `engine = "celery"`, workers of Celery, and a beat that reads our schedules.

celery -A sexton.engines.celery worker           a worker: of your application, or of one that only carries runs
celery -A sexton.engines.celery beat -S sexton.engines.celery:Beat
install(app)                                      your own application carries runs as well
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .engine import CeleryEngine
from .tasks import install

if TYPE_CHECKING:
    from celery import Celery

    from .beat import Beat

    app: Celery

__all__ = ["Beat", "CeleryEngine", "app", "install"]


def __getattr__(name: str) -> Any:
    """`Beat` and `app`, which load Celery's beat, or the settings and all jobs."""
    if name == "Beat":
        from .beat import Beat

        return Beat
    if name == "app":
        from .settings_application import application_or_end

        return application_or_end()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
