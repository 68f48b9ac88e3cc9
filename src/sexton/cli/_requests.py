"""What the commands about jobs on demand share: a transaction of their own, and whether arguments may be shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from ..app import App
from ..db.connect import connection_errors_translated
from ..db.migrate import require_schema
from ..errors import UsageError
from ..slots.lease import short_transaction


def shown_arguments(app: App, job: str, args: str) -> str | None:
    """The arguments, where the job says that they may be shown; None: they are nobody's business."""
    try:
        about = app.registry.get(job).on_demand
    except UsageError:  # nobody knows whether they may
        return None
    return args if about is not None and about.show_args else None


@contextmanager
def own_transaction(app: App) -> Iterator[Connection]:
    """In which something is changed."""
    with connection_errors_translated(app.database), short_transaction(app.database, app.limits().lease) as connection:
        require_schema(connection)
        yield connection
