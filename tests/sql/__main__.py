"""Write the SQL files anew: `python -m tests.sql`, from the root of the project."""

from __future__ import annotations

from contextlib import closing

from sexton.db.connect import open_database
from tests.support.databases import Databases, kinds_for

from .calls import texts_of_calls
from .declared import declared_texts, make_tables
from .texts import FOLDER, texts


def _declared() -> dict[str, str]:
    """Of policies of a settings file, whose tables are looked up in a database."""
    found = {}
    with closing(Databases()) as databases:
        for kind in kinds_for(["sqlite", "postgres15"]):
            with databases.fresh(kind, migrated=True) as url:
                engine = open_database(url)
                make_tables(engine)
                found.update(declared_texts(engine, url))
                engine.dispose()
    return found


if __name__ == "__main__":
    for stale in FOLDER.rglob("*.sql"):
        stale.unlink()
    for name, text in (texts() | texts_of_calls() | _declared()).items():
        path = FOLDER / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
        print(path.relative_to(FOLDER))
