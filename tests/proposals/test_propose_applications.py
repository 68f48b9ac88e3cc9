"""REP-23: of what `sexton init --from` proposes for schemas of real applications, nine of ten live ones are right."""

from __future__ import annotations

import pytest

from sexton.proposals.propose import propose
from tests.declared.shop import Shop

from .applications import proposed, read


@pytest.mark.parametrize(
    ("file", "live_share", "any_share"),
    [("learned.txt", 0.40, 0.60), ("seen_once.txt", 0.40, 0.65), ("unseen.txt", 0.4, 0.6)],
)
def test_rep_23_live_proposals_are_right_and_most_of_what_applications_clear_is_found(
    file: str, live_share: float, any_share: float
) -> None:
    live = right = cleared = found = mentioned = 0
    wrong: list[str] = []
    for application in read(file):
        certain, doubtful = proposed(application)
        wrong += [f"{application.name}.{name}" for name in sorted(certain - application.clears - application.harmless)]
        live, right = live + len(certain), right + len(certain & (application.clears | application.harmless))
        cleared, found = cleared + len(application.clears), found + len(certain & application.clears)
        mentioned += len((certain | doubtful) & application.clears)

    assert right >= 0.9 * live, wrong
    assert found >= live_share * cleared, f"{found} of {cleared}"
    assert mentioned >= any_share * cleared, f"{mentioned} of {cleared}"


@pytest.mark.parametrize("name", ["gitea", "mastodon"])
@pytest.mark.databases("sqlite", "postgres15")
def test_rep_23_a_database_gives_what_its_schema_promises(shop: Shop, name: str) -> None:
    application = next(one for one in read("learned.txt") if one.name == name)
    shop.do(*application.statements(sqlite=shop.sqlite))

    found = {str(one.settings["purge"]).removeprefix("public."): one for one in propose(shop.database).found}

    live = {name for name, proposal in found.items() if not proposal.doubts}
    assert live == proposed(application)[0]
