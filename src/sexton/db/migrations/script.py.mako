"""${message}.

Revision ${up_revision}, after ${down_revision}.
"""

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "..."}
