"""Payments of a shop, and a gateway that answers as the row says."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text

from sexton import Job, UtcDateTime, text_key
from sexton.call_outcomes import Again, CallOutcome, Done, Down, Failed, Unknown
from sexton.policies.call import Call
from sexton.policies.call_rule import Attempt, CallColumns

payments = Table(
    "payments",
    MetaData(),
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    Column("answer", Text),
    Column("status", Text),
    Column("created_at", UtcDateTime),
    Column("check_at", UtcDateTime),
)


def ask(call: Attempt) -> CallOutcome:
    answers: dict[str, CallOutcome] = {
        "done": Done({"status": "paid"}),
        "again": Again("pending"),
        "failed": Failed("422 no such order"),
        "unknown": Unknown("cut off"),
        "down": Down("connection refused"),
    }
    return answers[call.row.answer]


def calling(name: str, **options: Any) -> Job:
    return Job(
        name,
        timeout="2m",
        guard=None,
        work=Call(
            payments,
            by=payments.c.created_at,
            call=ask,
            key=text_key("payment", payments.c.id),
            when=payments.c.status == "open",
            destination="gateway",
            retry=["1h"],
            give_up_after="3d",
            jitter=0,
            on_unknown="stop",
            name="check",
            **options,
        ),
    )


check = calling("shop.check")
mapped = calling("shop.mapped", state=CallColumns(next_at=payments.c.check_at))
limited = calling("shop.limited", rate="1/1h")
