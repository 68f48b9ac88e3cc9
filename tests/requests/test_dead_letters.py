"""Dead letters that two people replay at once are asked for once."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import Connection

from sexton import Wish
from sexton.requests.dead_letters import replay
from sexton.requests.inspection import DeadFilter, DeadLetter, dead_letters
from sexton.testing.processes import wait_until
from tests.support.patience import PATIENCE
from tests.support.post_office import PostOffice
from tests.support.waiters import somebody_waits


def asked_again(office: PostOffice, connection: Connection, letters: list[DeadLetter]) -> list[int]:
    """Their new numbers."""
    job = office.app.registry.get("post.fail")
    return replay(connection, [(letter, job) for letter in letters], by="a test", rest=0.0)


@pytest.mark.databases("postgres")
def test_two_who_replay_the_same_ones_at_once_ask_once(office: PostOffice) -> None:
    for _ in range(3):
        office.app.enqueue("post.fail", wish=Wish(attempts=1), times=1)
    office.work()
    found: list[int] = []

    def second() -> None:
        with office.engine.begin() as connection:
            found.extend(asked_again(office, connection, letters))

    with office.engine.begin() as connection:
        letters = dead_letters(connection, DeadFilter())
        first = asked_again(office, connection, letters)
        rival = threading.Thread(target=second)
        rival.start()
        assert wait_until(lambda: somebody_waits(office.engine), PATIENCE)
    rival.join(PATIENCE)

    assert len(letters) == len(first) == 3
    assert found == []
    assert sorted(office.states()) == first
    assert office.rows("dead_requests") == []
