"""`sexton fleet adopt NAME`: a copied, restored, moved or upgraded database is taken as it is now."""

from __future__ import annotations

from argparse import Namespace

from ..app import App
from ..console import say
from ..db.connect import connection_errors_translated
from ..db.migrate import require_schema
from ..db.sessions import own_tables_only
from ..errors import UnknownName, UsageError
from ..exit_codes import DONE
from ..fleet.connecting import VISIT_LIMITS, opened
from ..fleet.identity import adopt
from ._fleet import connect_seconds_of, inventory_of, own_installation, with_list


def run(app: App, arguments: Namespace) -> int:
    """Adopt each of them; each has a new id then, as its original may live on."""
    if not arguments.words:
        raise UsageError("name the databases: sexton fleet adopt NAME ...")
    inventory, installation = inventory_of(app), own_installation(app)
    known = {database.name: database for database in inventory.databases}
    for name in arguments.words:
        if name not in known:
            raise UnknownName("database", name, known)
    seconds = connect_seconds_of(app)
    for name in arguments.words:
        with (
            opened(known[name], seconds, app.settings.trusted_roles) as engine,
            connection_errors_translated(engine),
            own_tables_only(engine, VISIT_LIMITS) as connection,
        ):
            require_schema(connection)
            new = adopt(connection, known[name], installation)
        say(f"{name}: adopted; its messages bear the id {new} from now on")
    return with_list(DONE, inventory)
