"""What `sexton init --from` would propose for a shop, in the forms that tests compare."""

from __future__ import annotations

import tomllib
from typing import Any

from sexton.app import App
from sexton.config import Settings
from sexton.proposals.proposal_text import proposals_text
from sexton.proposals.propose import Proposal, Proposals, propose
from sexton.runs.runner import planned
from tests.declared.shop import Shop


def proposed(shop: Shop) -> dict[str, Proposal]:
    """By name; each is written, read again and built."""
    proposals = propose(shop.database)
    written = policies(proposals)
    active = {proposal.name: proposal.settings for proposal in proposals.found if not proposal.doubts}
    assert written == active
    for job in App(Settings(database=shop.database, policies=written)).registry:
        planned(job, shop.engine)
    return {proposal.name: proposal for proposal in proposals.found}


def policies(proposals: Proposals) -> dict[str, Any]:
    """Those that are active in the written text."""
    return dict(tomllib.loads(proposals_text(proposals, "a database", everything=True)).get("policies", {}))


def settings(shop: Shop, name: str) -> dict[str, object]:
    """What is proposed under this name, but for the schedule and the schema."""
    found = dict(proposed(shop)[name].settings)
    found.pop("schedule")
    found["purge"] = str(found["purge"]).removeprefix("public.")
    return found
