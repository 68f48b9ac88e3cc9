"""What tests of attacked archives share: a policy in a settings file, nine orders in an archive, and another table."""

from __future__ import annotations

from pathlib import Path

from sexton.declared.restore import restore
from sexton.errors import SextonError
from sexton.testing import run_job
from tests.declared.shop import Shop
from tests.declared.test_archive import NOON, PAST, archiving, files
from tests.support.archives import as_it_says

SETTINGS = """database = "{}"
[policies.tidy]
archive = "orders"
by = "ends"
unit = "s"
max_share = 1.0
children = {{items = "order_id"}}
"""


def prepare(shop: Shop, folder: Path) -> None:
    """Orders with an item each, accounts that no policy is about, and the settings for the command line."""
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint, note text)",
        "CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders (id))",
        "CREATE TABLE accounts (id int PRIMARY KEY, role text)",
        *(f"INSERT INTO orders VALUES ({n}, {PAST}, 'note {n}')" for n in range(1, 10)),
        *(f"INSERT INTO items VALUES ({n}, {n})" for n in range(1, 10)),
    )
    (folder / "sexton.toml").write_text(SETTINGS.format(shop.database), encoding="utf-8")


def archive(shop: Shop, folder: Path) -> Path:
    """The nine orders, which are gone after that."""
    outcome = run_job(shop.engine, archiving(shop, folder, children={"items": "order_id"}), at=NOON)
    assert (outcome.state, outcome.total.changed) == ("succeeded", 9), outcome
    (path,) = files(folder)
    return path


def orders_of(shop: Shop) -> list[tuple[object, ...]]:
    """All that is in the tables."""
    asked = ("SELECT * FROM orders ORDER BY id", "SELECT * FROM items ORDER BY id", "SELECT * FROM accounts")
    with shop.engine.connect() as connection:
        return [tuple(row) for one in asked for row in connection.exec_driver_sql(one)]


def put_back_as_it_says(shop: Shop, path: Path) -> str:
    """Put a file back on the word of its manifest; what was refused, in words, "" for nothing. No other exception."""
    try:
        restored = restore(shop.engine, as_it_says(path))
    except SextonError as error:
        return str(error)
    return "; ".join(reason for one in restored for reason in one.refused.values())
