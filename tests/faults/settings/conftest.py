"""A user's folder beside a real database with a shop's table in it."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from tests.cli.conftest import inside, shell
from tests.cli.shell import JOBS, Inside, Shell
from tests.faults.database.conftest import newcomer

__all__ = ["inside", "newcomer", "shell"]


@pytest.fixture
def shop(shell: Shell, engine: Engine) -> Shell:
    """A folder with settings and jobs, and a migrated database with two sessions, one of them due."""
    return furnish(shell, engine)


@pytest.fixture
def shop_inside(inside: Inside, engine: Engine) -> Shell:
    """The same with commands that run in this process."""
    return furnish(inside, engine)


def furnish(shell: Shell, engine: Engine) -> Shell:
    url = engine.url.render_as_string(hide_password=False)
    shell.write("sexton.toml", f'database = "{url}"\njobs = ["jobs.py"]\n')
    shell.write("jobs.py", JOBS)
    with engine.begin() as connection:
        time = "timestamptz" if engine.dialect.name == "postgresql" else "timestamp"
        connection.execute(text(f"CREATE TABLE sessions (id bigint PRIMARY KEY, status text, expires_at {time})"))
        old, far = "2020-01-01 00:00:00.000000", "2999-01-01 00:00:00.000000"
        connection.execute(text(f"INSERT INTO sessions VALUES (1, 'open', '{old}'), (2, 'open', '{far}')"))
    return shell
