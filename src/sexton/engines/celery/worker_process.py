"""`sexton worker --engine celery`: a worker of Celery in place of this process, without its working directory.

`celery -A` puts the working directory in front of `sys.path`, where a file may pass for a module of somebody else.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, NoReturn

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


def main(words: list[str]) -> int:
    """Work until a signal comes; Celery's own exit code."""
    from celery import maybe_patch_concurrency

    maybe_patch_concurrency(["celery", *words])  # for gevent, before anything of ours is loaded that it has to change
    from celery import signals

    from .application import application_of_settings
    from .broker import on_redis

    celery = application_of_settings()
    celery.conf.update(
        accept_content=["json"],  # whatever the product's own workers read
        worker_disable_prefetch=on_redis(celery.connection_for_read()),
        worker_redirect_stdouts=False,
    )
    signals.worker_ready.connect(_end_on_hangup, weak=False)
    return int(celery.start(words) or 0)


def _end_on_hangup(**_: Any) -> None:
    """SIGHUP ends a worker as SIGTERM does; Celery's own way, to start itself again, needs `celery` in front."""
    signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))


if __name__ == "__main__":
    from ...console import complain
    from ...errors import SextonError

    try:
        sys.exit(main(sys.argv[1:]))
    except SextonError as error:
        complain(*error.lines)
        sys.exit(error.exit_code)
