"""The command line by which a process becomes a worker of Celery."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from ...app import App
from ...jobs.modules import python
from .options import CeleryOptions

WITHOUT = ("--without-gossip", "--without-mingle")
"""Talk among workers, which costs each broker connection something and of which we need nothing."""


def become_worker(app: App, options: CeleryOptions, concurrency: int) -> NoReturn:
    """Replace this process. concurrency: runs at once."""
    words = ["worker", "--pool", options.pool, "--concurrency", str(concurrency)]
    words += ["--queues", ",".join(options.queues), "--prefetch-multiplier", "1", *WITHOUT, *options.arguments]
    sys.stdout.flush()
    sys.stderr.flush()
    command = python("sexton.engines.celery.worker_process", *words, jobs=_modules(app, options))
    os.execv(command[0], command)


def _modules(app: App, options: CeleryOptions) -> list[str]:
    return [*app.settings.jobs, *([options.app.partition(":")[0]] if options.app else [])]
