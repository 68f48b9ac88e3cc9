"""Functions of a product that messages are handed to.

received: what they got.  answers: what they say, in turn, by recipient.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from sexton.call_outcomes import CallOutcome, Done, Failed
from sexton.channels.contract import OutgoingMessage

received: list[OutgoingMessage] = []
answers: dict[str, list[CallOutcome]] = {}


def on_message(message: OutgoingMessage) -> CallOutcome:
    """Takes it, as the next answer says."""
    received.append(message)
    if message.payload.get("fails"):
        return Failed("never")
    mine = answers.get(message.recipient, [])
    return mine.pop(0) if mine else Done()


def in_the_record(message: OutgoingMessage, connection: Connection) -> None:
    """Writes it with the record."""
    connection.execute(text("INSERT INTO seen VALUES (:n)"), {"n": message.payload["n"]})
