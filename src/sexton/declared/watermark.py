"""`before`: rows of one policy wait until another has been through their time.

The mark is the time that the other's newest run went up to, one that took rows and left none; without such a run
nothing is due. It leaves an hour, as a row may be committed later than its time says. Where both are on one table,
each row is asked as well whether the other still wants it, however late it came (Q10).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, false, select

from ..config.policy import PolicySettings
from ..db.tables import own_tables
from ..jobs.span import Span, parse_span
from .catalogue import Catalogue
from .times import Meaning

SETTLED = timedelta(hours=1)
"""How long after its time a row may be committed and still be seen by the other policy first."""


def passed(
    catalogue: Catalogue, by: Column[Any], meaning: Meaning, name: str, other: PolicySettings
) -> ColumnElement[bool]:
    """Whether the policy `name` has been through the row's time."""
    at = _newest(catalogue, f"policies.{name}")
    if at is None:
        return false()
    edge = parse_span(other.ahead) if other.ahead else -parse_span(other.keep or "0s")
    return replace(meaning, at=edge.from_(at)).before(by, Span(length=-SETTLED))


def _newest(catalogue: Catalogue, job: str) -> datetime | None:
    """The time of the job's newest run that went well; those that only counted say so in `error`."""
    runs = own_tables(catalogue.dialect).runs
    asked = select(runs.c.as_of).where(runs.c.job == job, runs.c.state == "succeeded", runs.c.error.is_(None))
    return catalogue.connection.execute(asked.order_by(runs.c.as_of.desc()).limit(1)).scalar()
