"""A mail as bytes: headers that nobody else can add to, text and HTML in one, and an id that every copy has."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime

from .contract import shortened
from .mail_address import MailAddress, is_one_line

LONGEST_SUBJECT = 500
"""Characters; what is more is cut off, and marked."""


def mail_bytes(
    sender: MailAddress, to: Iterable[MailAddress], subject: str, text: str, html: str, *, identity: tuple[str, ...]
) -> bytes:
    """The whole mail, each byte of it below 128 unless an address needs more. text, html: one of them may be empty.

    identity: from which the Message-ID is made, so that a second copy can be told. ValueError: a line end in the
    subject, or half of a surrogate pair.
    """
    receivers = list(to)
    if not is_one_line(subject):
        raise ValueError("the subject holds a line end, or a control character")
    # "7bit": not each relay takes more, and nothing that it passes the mail on to can break the lines.
    policy = (SMTPUTF8 if any(one.needs_utf8 for one in receivers) else SMTP).clone(cte_type="7bit")
    message = EmailMessage(policy=policy)
    message["From"] = _header(sender)
    message["To"] = [_header(one) for one in receivers]
    message["Subject"] = shortened(subject, LONGEST_SUBJECT)
    message["Date"] = format_datetime(datetime.now(UTC))
    digest = hashlib.sha256("\0".join(identity).encode("utf-8", "replace")).hexdigest()[:32]
    message["Message-ID"] = f"<{digest}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    if text or not html:
        message.set_content(_whole_lines(text))
        if html:
            message.add_alternative(_whole_lines(html), subtype="html")
            message.set_boundary(f"=_{digest}")  # "=_" is in no encoded line
    else:
        message.set_content(_whole_lines(html), subtype="html")
    return message.as_bytes()


def _header(one: MailAddress) -> Address:
    return Address(one.name, one.local, one.domain)


def _whole_lines(text: str) -> str:
    text.encode()  # UnicodeEncodeError is a ValueError
    return text if text.endswith("\n") else f"{text}\n"
