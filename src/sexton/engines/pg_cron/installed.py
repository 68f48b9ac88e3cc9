"""What of ours stands in a database: the procedures, as the catalogue has them, and the limit on a session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from .procedure import Procedure


@dataclass(frozen=True, slots=True)
class InstalledProcedure:
    """One that is there. body: its text.  comment: what it says it was made from; "" without one.

    definer: it runs as its owner.  settings: its SET clauses.  open: PUBLIC may call it.
    """

    name: str
    body: str
    comment: str
    owner: str
    own: bool
    definer: bool
    settings: tuple[str, ...]
    open: bool

    @property
    def job(self) -> str:
        """Whose it is, by its comment; its own name where that is gone."""
        return self.comment.partition(": ")[2] or self.name


_PROCEDURES = text(
    "SELECT p.proname AS name, p.prosrc AS body, coalesce(obj_description(p.oid, 'pg_proc'), '') AS comment,"
    " pg_get_userbyid(p.proowner) AS owner,"
    " p.proowner = (SELECT oid FROM pg_roles WHERE rolname = current_user) AS own,"
    " p.prosecdef AS definer, coalesce(p.proconfig, '{}') AS settings,"
    " EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a"
    "  WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE') AS open"
    " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
    " WHERE n.nspname = 'sexton' AND p.prokind = 'p' ORDER BY p.proname"
)


def procedures(connection: Connection) -> dict[str, InstalledProcedure]:
    """Ours in this database, by name."""
    rows = connection.execute(_PROCEDURES).all()
    return {row.name: InstalledProcedure(**{**row._mapping, "settings": tuple(row.settings)}) for row in rows}


def installed_jobs(connection: Connection) -> set[str]:
    """Names of the jobs that this database has a procedure of."""
    return {one.job for one in procedures(connection).values() if one.name.startswith("job_")}


_LIMIT = text(
    "SELECT split_part(c.setting, '=', 2) FROM pg_db_role_setting s, unnest(s.setconfig) AS c (setting)"
    " WHERE s.setrole = (SELECT oid FROM pg_roles WHERE rolname = current_user)"
    " AND s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND c.setting LIKE 'statement_timeout=%'"
)


def call_limit(connection: Connection) -> str | None:
    """`statement_timeout` of our role in this database, as it was set; None: it was not."""
    found: str | None = connection.execute(_LIMIT).scalar()
    return found


def only_reads(connection: Connection) -> bool:
    """Whether sessions of our role in this database begin transactions that cannot write: no procedure could run."""
    asked = text("SELECT reset_val = 'on' FROM pg_settings WHERE name = 'default_transaction_read_only'")
    return bool(connection.execute(asked).scalar_one())


def drift_of(wanted: Procedure, there: Mapping[str, InstalledProcedure]) -> list[str]:
    """What differs from the procedure that is wanted; nothing: it is that one."""
    found = there.get(wanted.name)
    if found is None:
        return ["its procedure is not installed"]
    said = []
    if found.body != wanted.body:
        made_from = found.comment.partition(": ")[0].rpartition(" ")[2]
        edited = Procedure(wanted.job, wanted.name, found.body).definition != made_from
        said.append(
            "its procedure was edited by hand" if edited else "its procedure is of another definition of the job"
        )
    if not found.own:
        said.append(f"its procedure belongs to role {found.owner}")
    if found.definer:
        said.append("its procedure runs as its owner (SECURITY DEFINER), in which COMMIT is refused")
    if found.settings:
        said.append(f"its procedure has SET {', '.join(found.settings)}, with which COMMIT is refused")
    if found.open:
        said.append("PUBLIC may call its procedure")
    return said
