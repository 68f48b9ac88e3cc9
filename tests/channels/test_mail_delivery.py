"""Mail of the outbox: faults M1 to M6 against a real relay, by the phase in which each happens."""

from __future__ import annotations

import logging
import smtplib
import socket
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.message import Message
from itertools import islice

import pytest

from sexton.call_outcomes import Again, CallOutcome, Done, Down, Failed, Unknown
from sexton.channels.contract import OutgoingMessage
from sexton.channels.email import EmailChannel, EmailSettings
from tests.support.patience import PATIENCE

from .relay import Relay
from .web import dripping

A, B, C, D = (f"{name}@example.com" for name in "abcd")
LARGE = ("x" * 76 + "\n") * 160_000
"""More than any buffer on the way holds: who sends it notices when nobody reads."""


def channel(port: int, *, answer: float = PATIENCE, **changed: object) -> EmailChannel:
    settings = EmailSettings(host="127.0.0.1", port=port, sender="shop@example.com", security="none")
    return EmailChannel(replace(settings, **changed), answer=answer)  # type: ignore[arg-type]


def message(recipient: str, text: str = "Your order is on its way.", **more: object) -> OutgoingMessage:
    given = {"id": f"msg_{recipient}", "key": f"order:7:shipped:{recipient}", "subject": "Order 7", **more}
    return OutgoingMessage(
        event="order.shipped",
        recipient=recipient,
        payload={"order": 7},
        created_at=datetime(2026, 11, 30, 4, tzinfo=UTC),
        text=text,
        **given,  # type: ignore[arg-type]
    )


def deliver(
    relay: Relay | int, *messages: OutgoingMessage, seconds: float = PATIENCE, **changed: object
) -> list[CallOutcome]:
    port = relay if isinstance(relay, int) else relay.port
    return list(channel(port, answer=PATIENCE, **changed).deliver(messages, seconds=seconds))


def kinds(outcomes: Sequence[CallOutcome]) -> list[type[CallOutcome]]:
    return [type(one) for one in outcomes]


def test_a_batch_takes_one_connection_and_each_mail_has_one_recipient(relay: Relay) -> None:
    """Nobody sees who else was told."""
    outcomes = deliver(relay, message(A), message(B), message(C))

    assert kinds(outcomes) == [Done, Done, Done]
    assert relay.sessions == 1
    assert [receivers for receivers, _ in relay.taken] == [[A], [B], [C]]
    assert [mail["To"] for _, mail in relay.taken] == [A, B, C]


def test_a_mail_says_who_what_and_when(relay: Relay) -> None:
    deliver(relay, message(A, text="Größe 7", html="<p>Größe 7</p>"), sender_name="Example Shop, München")

    ((_, mail),) = relay.taken
    plain, html = parts(mail)
    assert mail.get_content_type() == "multipart/alternative"
    assert body(plain) == "Größe 7\n"
    assert html.get_content_type() == "text/html"
    assert body(html) == "<p>Größe 7</p>\n"
    assert mail["Subject"] == "Order 7"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].endswith("+0000")
    assert "<shop@example.com>" in mail["From"]
    assert mail.as_string().isascii()


def test_a_mail_without_a_template_says_its_event_and_payload(relay: Relay) -> None:
    deliver(relay, message(A, text="", subject=""))

    ((_, mail),) = relay.taken
    assert mail["Subject"] == "Order shipped"
    assert body(mail) == "order: 7\n"


def test_nothing_to_send_needs_no_relay() -> None:
    assert deliver(1) == []


def test_an_outcome_is_known_before_the_next_mail_is_begun(relay: Relay) -> None:
    """So it can be recorded soon, and a process that dies repeats one mail and no more."""
    outcomes = channel(relay.port).deliver([message(A), message(B)], seconds=PATIENCE)

    first = list(islice(outcomes, 1))

    assert kinds(first) == [Done]
    assert relay.told() == [A]
    outcomes.close()  # type: ignore[attr-defined]  # hangs up: a socket left open would fail the test
    assert relay.told() == [A]


def test_m1_a_recipient_refused_for_good_fails_alone(relay: Relay) -> None:
    """(M1) 550 for one of three: two delivered once, one permanent failure with the relay's words."""
    relay.receivers = {B: ["550 5.1.1 no such user"]}

    outcomes = deliver(relay, message(A), message(B), message(C))

    assert kinds(outcomes) == [Done, Failed, Done]
    assert "550 to RCPT: 5.1.1 no such user" in outcomes[1].why
    assert relay.told() == [A, C]
    assert relay.sessions == 1


def test_m1_a_content_refused_for_good_fails_alone(relay: Relay) -> None:
    """(M1) The same after the final dot: the answer is clear."""
    relay.dots = {B: ["552 5.3.4 too large"]}

    outcomes = deliver(relay, message(A), message(B), message(C))

    assert kinds(outcomes) == [Done, Failed, Done]
    assert "5.3.4 too large" in outcomes[1].why


@pytest.mark.parametrize(
    "reply", ["451 4.7.1 greylisted", "450 4.2.1 busy", "452 4.2.2 quota", "454 not now", "552 5.2.2 box is full"]
)
@pytest.mark.parametrize("phase", ["receivers", "dots"])
def test_m2_m5_only_the_mail_put_off_is_tried_again(relay: Relay, phase: str, reply: str) -> None:
    """(M2) (M5) The batch continues; the next attempt takes what is left."""
    setattr(relay, phase, {B: [reply]})
    messages = [message(A), message(B), message(C)]

    first = deliver(relay, *messages)
    second = deliver(relay, messages[1])

    assert kinds(first) == [Done, Again, Done]
    assert isinstance(first[1], Again)
    assert first[1].counts
    assert reply in first[1].why or reply[4:] in first[1].why
    assert kinds(second) == [Done]
    assert relay.told() == [A, B, C]


def test_m5_a_relay_in_trouble_is_at_fault_and_a_greylisted_recipient_is_not(relay: Relay) -> None:
    """(M5) Three faults in a row let the relay rest as a whole; a greylist puts off each newcomer."""
    relay.receivers = {A: ["451 4.7.1 greylisted"], B: ["452 4.2.2 box full"], C: ["452 4.3.1 system storage"]}

    outcomes = deliver(relay, message(A), message(B), message(C))

    assert [one.fault for one in outcomes if isinstance(one, Again)] == [False, False, True]


def test_m3_a_cut_before_the_dot_is_tried_again_and_the_batch_goes_on(relay: Relay) -> None:
    """(M3) The relay hangs up after three lines; a new connection takes the others."""
    relay.cut = {"in DATA": 1}

    outcomes = deliver(relay, message(A, text=LARGE), message(B), message(C))

    assert kinds(outcomes) == [Again, Done, Done]
    assert relay.told() == [B, C]
    assert relay.sessions == 2


def test_m3_a_small_mail_that_is_cut_is_never_taken_for_sent(relay: Relay) -> None:
    """(M3) It is all on its way before the relay hangs up. We look whether it has before the dot; where its end comes
    later than that, nobody can tell it from M4."""
    relay.cut = {"in DATA": 1}

    outcomes = deliver(relay, message(A), message(B))

    assert isinstance(outcomes[0], Again | Unknown)
    assert isinstance(outcomes[1], Done)
    assert relay.told() == [B]


def test_m3_a_relay_that_always_cuts_is_left_alone(relay: Relay) -> None:
    """(M3) One new connection is tried; what was not begun is no attempt."""
    relay.cut = {"in DATA": 99}

    outcomes = deliver(relay, message(A, text=LARGE), message(B, text=LARGE), message(C), message(D))

    assert kinds(outcomes) == [Again] * 4
    assert [one.counts for one in outcomes if isinstance(one, Again)] == [True, True, False, False]
    assert [one.fault for one in outcomes if isinstance(one, Again)] == [True, True, False, False]
    assert outcomes[3].why.startswith("not begun: ")
    assert relay.sessions == 2


def test_m4_a_cut_after_the_dot_is_unknown_and_the_copy_has_the_same_id(relay: Relay) -> None:
    """(M4) It may have been delivered. The Message-ID is of key and recipient, and of nothing else."""
    relay.cut = {"after the dot": 1}

    first = deliver(relay, message(A), message(B))
    second = deliver(relay, message(A, attempt=2, uncertain=True))

    assert kinds(first) == [Unknown, Done]
    assert "may have been delivered" in first[0].why
    assert kinds(second) == [Done]
    ids = [(receivers[0], mail["Message-ID"]) for receivers, mail in relay.taken]
    assert ids[0] == ids[2]
    assert ids[0] != ids[1]
    assert ids[0][1].endswith("@example.com>")


def test_m4_an_answer_later_than_the_limit_is_unknown(relay: Relay) -> None:
    """(M4) It would come after an hour. The limit is raised if the relay was too slow for it before the dot."""
    relay.slow = 3600.0

    for limit in (0.5, 5.0, 50.0):
        (outcome,) = channel(relay.port, answer=limit).deliver([message(A)], seconds=PATIENCE)
        if isinstance(outcome, Unknown):
            break

    assert isinstance(outcome, Unknown)


def test_m4_the_hard_end_of_the_batch_is_unknown_too(relay: Relay) -> None:
    """(M4) What comes after it was not begun."""
    relay.slow = 3600.0

    for seconds in (0.5, 5.0, 50.0):
        first, second = deliver(relay, message(A), message(B), seconds=seconds)
        if isinstance(first, Unknown):
            break

    assert isinstance(first, Unknown)
    assert isinstance(second, Again)
    assert not second.counts


@pytest.mark.parametrize(
    ("phase", "reply"),
    [
        ("ehlo", "421 too many connections"),
        ("mail", "421 slow down"),
        ("mail", "452 4.3.1 full"),
        ("auth", "454 later"),
    ],
)
def test_m5_a_relay_that_asks_for_patience_rests_as_a_whole(relay: Relay, phase: str, reply: str) -> None:
    """(M5) No message loses an attempt, and nothing has to be corrected."""
    setattr(relay, phase, reply)

    outcomes = deliver(relay, message(A), message(B), user="shop", password="qXcanaryX7")

    assert kinds(outcomes) == [Down, Down]
    assert isinstance(outcomes[0], Down)
    assert not outcomes[0].lasting


@pytest.mark.parametrize("phase", ["receivers", "dots"])
def test_m5_a_421_anywhere_is_about_the_relay(relay: Relay, phase: str) -> None:
    """(M5) Also where a recipient is named, and after the dot."""
    setattr(relay, phase, {B: ["421 4.7.0 try again later"]})

    outcomes = deliver(relay, message(A), message(B), message(C))

    assert kinds(outcomes) == [Done, Down, Down]
    assert relay.told() == [A]


@pytest.mark.parametrize("enough", ["421 4.7.0 enough", "450 4.7.1 enough", "550 5.5.0 enough"])
def test_m5_a_limit_of_mails_a_connection_is_met_by_another_connection(relay: Relay, enough: str) -> None:
    """(M5) A shared host takes two mails over one connection."""
    relay.most, relay.enough = 2, enough

    outcomes = deliver(relay, *(message(f"{number}@example.com") for number in range(5)))

    assert kinds(outcomes) == [Done] * 5
    assert relay.sessions == 3


def test_m5_a_connection_that_was_closed_meanwhile_is_replaced(relay: Relay) -> None:
    """(M5) Without a word, as some relays do after a refusal."""
    relay.receivers = {A: ["550 no such user"]}
    outcomes = channel(relay.port).deliver([message(A), message(B)], seconds=PATIENCE)

    first = next(outcomes)
    relay.cut = {"at MAIL": 1}
    second = next(outcomes)

    assert kinds([first, second]) == [Failed, Done]
    assert relay.sessions == 2


@pytest.mark.parametrize(
    ("phase", "reply"),
    [
        ("ehlo", "550 go away"),
        ("mail", "553 5.1.8 not your address"),
        ("auth", "535 5.7.8 wrong"),
        ("mail", "530 log in"),
    ],
)
def test_m6_a_refusal_before_the_recipient_is_our_settings(relay: Relay, phase: str, reply: str) -> None:
    """(M6) Lasting, and no message fails for it, or loses an attempt."""
    setattr(relay, phase, reply)

    outcomes = deliver(relay, message(A), message(B), message(C), user="shop", password="qXcanaryX7")

    assert kinds(outcomes) == [Down, Down, Down]
    assert isinstance(outcomes[0], Down)
    assert outcomes[0].lasting
    assert relay.taken == []


def test_m6_a_relay_without_starttls_is_our_settings(relay: Relay) -> None:
    """(M6) Nothing is said unprotected."""
    (outcome,) = deliver(relay, message(A), security="starttls", user="shop", password="qXcanaryX7")

    assert isinstance(outcome, Down)
    assert outcome.lasting
    assert "STARTTLS" in outcome.why
    assert relay.senders == []


def test_m6_nobody_listens() -> None:
    """(M6) A relay that is not there may come back."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        outcomes = deliver(closed.getsockname()[1], message(A), message(B))

    assert kinds(outcomes) == [Down, Down]
    assert isinstance(outcomes[0], Down)
    assert not outcomes[0].lasting


@pytest.mark.parametrize("reply", ["550 5.7.1 blocked", "554 5.7.26 unauthenticated", "550 5.4.5 daily quota"])
@pytest.mark.parametrize("phase", ["receivers", "dots"])
def test_m6_three_in_a_row_refused_because_of_us_are_about_us(relay: Relay, phase: str, reply: str) -> None:
    """(M6) 5.7.x is said of a sender who is blocked, and by one recipient who wants no mail: three decide."""
    setattr(relay, phase, {who: [reply] for who in (A, B, C, D)})

    outcomes = deliver(relay, message(A), message(B), message(C), message(D))

    assert kinds(outcomes) == [Again, Again, Down, Down]


def test_m6_one_recipient_who_wants_no_mail_fails_at_the_third_attempt(relay: Relay) -> None:
    """(M6) And mail that is taken in between says that it is not about us."""
    relay.receivers = {A: ["550 5.7.1 blocked"] * 3}
    mail = channel(relay.port)

    outcomes = [
        one
        for attempt in (1, 2, 3)
        for one in mail.deliver([message(A, attempt=attempt), message(B)], seconds=PATIENCE)
    ]

    assert kinds(outcomes) == [Again, Done, Again, Done, Failed, Done]


def test_m6_the_count_goes_on_from_batch_to_batch(relay: Relay) -> None:
    """(M6) Messages that come one at a time."""
    relay.receivers = {who: ["550 5.7.1 blocked"] for who in (A, B, C)}
    mail = channel(relay.port)

    outcomes = [one for who in (A, B, C) for one in mail.deliver([message(who)], seconds=PATIENCE)]

    assert kinds(outcomes) == [Again, Again, Down]


def test_g2_a_relay_that_drips_ends_with_the_time_of_the_batch() -> None:
    """(G2) Each byte comes in time; the greeting lasts longer than any test."""
    with dripping(b"220-", b"x") as port:
        outcomes = deliver(port, message(A), message(B), seconds=0.5)

    assert kinds(outcomes) == [Down, Down]


def test_no_mail_is_sent_after_its_time_was_over(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that was given up while it looked for the relay does not go on to send."""
    given_up, ended = threading.Event(), threading.Event()
    connect = smtplib.SMTP._get_socket  # type: ignore[attr-defined]

    def slowly(self: smtplib.SMTP, *place: object) -> socket.socket:
        assert given_up.wait(PATIENCE)
        try:
            return connect(self, *place)  # type: ignore[no-any-return]
        finally:
            ended.set()

    monkeypatch.setattr(smtplib.SMTP, "_get_socket", slowly)
    outcomes = deliver(relay, message(A), seconds=0.2)
    given_up.set()

    assert kinds(outcomes) == [Down]
    assert ended.wait(PATIENCE)
    for thread in threading.enumerate():
        if thread.name == "sexton-channel":
            thread.join(PATIENCE)
    assert relay.senders == []


@pytest.mark.parametrize("phase", ["mail", "receivers", "dots", "auth", "ehlo"])
def test_a_password_is_in_no_outcome_and_no_log(
    relay: Relay, phase: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Even when the relay repeats it."""
    secret = "qXcanaryX7"
    reply = f"550 no: {secret} password={secret}"
    setattr(relay, phase, {A: [reply]} if phase in ("receivers", "dots") else reply)

    with caplog.at_level(logging.DEBUG, "sexton"):
        mail = channel(relay.port, user="shop", password=secret)
        outcomes = list(mail.deliver([message(A), message(B)], seconds=PATIENCE))

    told = "".join([repr(outcomes), repr(mail.settings), repr(vars(mail)), *capfd.readouterr()])
    told += "".join(record.getMessage() for record in caplog.records if record.name.startswith("sexton"))
    assert secret not in told
    assert not isinstance(outcomes[0], Done)


def test_who_fails_together_is_the_relay(relay: Relay) -> None:
    mail = channel(relay.port)

    assert mail.destination(A) == mail.destination("b@other.example") == f"email:127.0.0.1:{relay.port}"


def test_only_alerts_need_receivers_in_the_settings() -> None:
    assert EmailChannel.required == ("host", "sender", "to")
    assert EmailChannel.needed_to_deliver == ("host", "sender")
    assert EmailChannel.delivers
    assert EmailChannel.batch == 50


def parts(mail: Message) -> list[Message]:
    content = mail.get_payload()
    assert isinstance(content, list)
    return [one for one in content if isinstance(one, Message)]


def body(mail: Message) -> str:
    content = mail.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode().replace("\r\n", "\n")
