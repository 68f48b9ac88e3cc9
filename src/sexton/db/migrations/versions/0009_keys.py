"""Keys of effects and subjects of poison are bounded: a long one ends in its hash.

Revision 0009. Written out, not derived from `sexton.db.effect_keys`, so that it never changes after it has shipped.
SQLite calls the function of Python.
"""

from alembic import op

revision = "0009"
down_revision = "0008"

BOUNDED = """
CREATE OR REPLACE FUNCTION sexton.bounded(key text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN length(key) <= 500 THEN key
           ELSE left(key, 436) || '~' || encode(sha256(convert_to(key, 'UTF8')), 'hex') END
$$
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(BOUNDED)
