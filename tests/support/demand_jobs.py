"""A job that is due while a row lies in its table, whatever its schedule says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, delete, func, insert, select, text

from sexton import Counts, Job, LazyWork, Run, every

METADATA = MetaData()
LETTERS = Table("letters", METADATA, Column("id", Integer, primary_key=True))


def question() -> Callable[[Connection, datetime], bool]:
    """What is asked at each look."""
    return lambda connection, now: bool(connection.execute(select(func.count()).select_from(LETTERS)).scalar())


def broken() -> Callable[[Connection, datetime], bool]:
    """What cannot be asked here."""
    return lambda connection, now: bool(connection.execute(text("SELECT id FROM no_such_table")).scalar())


def post(run: Run) -> Counts:
    """Take all letters away."""
    with run.transaction() as connection:
        gone = connection.execute(delete(LETTERS)).rowcount
    return Counts(picked=gone, changed=gone)


POST = Job(
    "post.deliver", schedule=every("1h"), work=post, demand=LazyWork("tests.support.demand_jobs:question"), group="post"
)


def letters(engine: Engine, *numbers: int) -> None:
    """These lie there."""
    METADATA.create_all(engine)
    if numbers:
        with engine.begin() as connection:
            connection.execute(insert(LETTERS), [{"id": number} for number in numbers])
