"""L1: mail of the outbox through a relay on loopback, against a loop over smtplib's send_message."""

from __future__ import annotations

import smtplib
import time
from datetime import UTC, datetime
from email.message import EmailMessage

from sexton.call_outcomes import Done
from sexton.channels.contract import OutgoingMessage
from sexton.channels.email import EmailChannel, EmailSettings

from .figures import Options, Row, at_least, note
from .quiet import undisturbed
from .smtp_server import SINK, smtp_server

MAILS = 1_000
SENDER = "shop@example.com"
TEXT = "Your order is on its way.\n" * 20
HTML = "<p>Your order is on its way.</p>\n" * 20


def run(options: Options) -> list[Row]:
    """Both sides build each mail, text and HTML, and send it over one connection for fifty."""
    ratios = []
    with smtp_server(SINK) as (port, process):
        for _ in range(max(options.rounds, 3)):
            bare = MAILS / undisturbed(lambda: bare_loop(port), lambda: None, process.pid)
            ours = MAILS / undisturbed(lambda: our_channel(port), lambda: None, process.pid)
            note(f"  ours {ours:,.0f} mails/s | a loop over send_message {bare:,.0f}")
            ratios.append(ours / bare)
    return [at_least("L1", "mail: >= 0.6 of a loop over smtplib's send_message", ratios, 0.6)]


def bare_loop(port: int) -> float:
    """Seconds, as it is written where nothing can go wrong."""
    began = time.perf_counter()
    for first in range(0, MAILS, EmailChannel.batch):
        with smtplib.SMTP("127.0.0.1", port) as connection:
            for number in range(first, first + EmailChannel.batch):
                message = EmailMessage()
                message["From"], message["To"], message["Subject"] = SENDER, f"{number}@example.com", "Order"
                message.set_content(TEXT)
                message.add_alternative(HTML, subtype="html")
                connection.send_message(message)
    return time.perf_counter() - began


def our_channel(port: int) -> float:
    """Seconds; each mail was taken."""
    channel = EmailChannel(EmailSettings(host="127.0.0.1", port=port, security="none", sender=SENDER))
    now = datetime.now(UTC)
    began = time.perf_counter()
    for first in range(0, MAILS, EmailChannel.batch):
        messages = [
            OutgoingMessage(f"msg_{n}", f"order:{n}", "order", f"{n}@example.com", {}, now, "Order", TEXT, HTML)
            for n in range(first, first + EmailChannel.batch)
        ]
        outcomes = list(channel.deliver(messages, seconds=600))
        assert all(isinstance(one, Done) for one in outcomes), outcomes
    return time.perf_counter() - began
