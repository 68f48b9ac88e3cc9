"""E-mail: faults M1 to M7 against a real relay, each by the phase in which it happens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sexton.channels.contract import Notice, Refused, Unavailable, Unconfirmed
from sexton.channels.email import EmailChannel, EmailSettings
from sexton.testing.processes import wait_until
from tests.support.patience import PATIENCE

from .relay import Relay
from .web import dripping

ALL = ("a@example.com", "b@example.com", "c@example.com")


def channel(port: int, *, answer: float = PATIENCE, whole: float = PATIENCE, **changed: object) -> EmailChannel:
    settings = EmailSettings(host="127.0.0.1", port=port, security="none", sender="sexton@example.com", to=ALL)
    return EmailChannel(replace(settings, **changed), answer=answer, whole=whole)  # type: ignore[arg-type]


def test_one_message_reaches_all_and_says_what_to_do(relay: Relay, notice: Notice) -> None:
    """BJ-26.3, BJ-26.5"""
    assert channel(relay.port).send(notice) == {}

    ((receivers, message),) = relay.taken
    text = message.get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert receivers == list(ALL)
    assert relay.sessions == 1
    assert message["Subject"] == "[sexton] failing: shop.expire"
    assert message["Auto-Submitted"] == "auto-generated"
    assert text.splitlines() == [
        "shop.expire failed 3 times in a row",
        "since: 2026-11-22 04:00 UTC",
        "last error: boom",
        "look closer: sexton show 17",
    ]


def test_m1_a_receiver_who_is_refused_for_good_keeps_no_other_from_it(relay: Relay, notice: Notice) -> None:
    relay.receivers = {ALL[1]: ["550 no such user"]}

    lost = channel(relay.port).send(notice)

    assert lost == {ALL[1]: "550 no such user"}
    assert relay.told() == [ALL[0], ALL[2]]


def test_m1_when_nobody_is_taken_a_person_must_look(relay: Relay, notice: Notice) -> None:
    relay.receivers = {address: ["550 no such user"] for address in ALL}

    with pytest.raises(Refused, match=r"takes no receiver.*550 no such user"):
        channel(relay.port).send(notice)
    assert relay.taken == []


@pytest.mark.parametrize("reply", ["451 greylisted", "450 busy", "452 quota", "421 too many"])
def test_m2_m5_only_the_receiver_who_was_put_off_is_tried_again(relay: Relay, notice: Notice, reply: str) -> None:
    relay.receivers = {ALL[2]: [reply]}

    with pytest.raises(Unavailable) as put_off:
        channel(relay.port).send(notice)
    channel(relay.port).send(notice, only=put_off.value.left)

    assert put_off.value.left == (ALL[2],)
    assert put_off.value.partial
    assert relay.told() == list(ALL)


def test_m1_m2_one_refused_and_one_put_off_at_once(relay: Relay, notice: Notice) -> None:
    relay.receivers = {ALL[0]: ["550 gone"], ALL[1]: ["451 later"]}

    with pytest.raises(Unavailable) as put_off:
        channel(relay.port).send(notice)

    assert put_off.value.left == (ALL[1],)
    assert put_off.value.refused == {ALL[0]: "550 gone"}
    assert relay.told() == [ALL[2]]


def test_m3_a_drop_in_the_middle_of_data_is_no_delivery(relay: Relay, notice: Notice) -> None:
    relay.cut = {"in DATA": 1}

    with pytest.raises(Unavailable) as dropped:
        channel(relay.port).send(notice)
    assert not isinstance(dropped.value, Unconfirmed)
    assert dropped.value.left == ALL
    assert relay.taken == []

    channel(relay.port).send(notice, only=dropped.value.left)
    assert relay.told() == list(ALL)


def test_m4_a_drop_after_the_final_dot_is_unknown_and_the_copy_has_the_same_id(relay: Relay, notice: Notice) -> None:
    relay.cut = {"after the dot": 1}

    with pytest.raises(Unconfirmed, match="may have been delivered"):
        channel(relay.port).send(notice)
    channel(relay.port).send(notice)

    first, second = (message["Message-ID"] for _, message in relay.taken)
    assert first == second
    assert first.endswith("@example.com>")


def test_m4_an_answer_later_than_the_limit_is_unknown(relay: Relay, notice: Notice) -> None:
    """It would come after an hour. The limit is raised if the relay was too slow for it before the final dot."""
    relay.slow = 3600.0

    for limit in (0.5, 5.0, 50.0):
        with pytest.raises(Unavailable) as late:
            channel(relay.port, answer=limit).send(notice)
        if isinstance(late.value, Unconfirmed):
            break

    assert isinstance(late.value, Unconfirmed)
    assert wait_until(lambda: len(relay.taken) == 1, PATIENCE)


@pytest.mark.parametrize("phase", ["mail", "data"])
@pytest.mark.parametrize("reply", ["421 try later", "452 quota", "454 not now"])
def test_m5_a_relay_that_asks_for_patience_is_tried_again(relay: Relay, notice: Notice, phase: str, reply: str) -> None:
    setattr(relay, phase, reply)

    with pytest.raises(Unavailable, match=reply[:3]) as put_off:
        channel(relay.port).send(notice)
    assert put_off.value.left == ALL
    assert not isinstance(put_off.value, Unconfirmed)


@pytest.mark.parametrize(("phase", "reply"), [("ehlo", "550 go away"), ("mail", "553 not your address")])
def test_m6_a_refusal_before_the_receivers_is_our_settings(
    relay: Relay, notice: Notice, phase: str, reply: str
) -> None:
    setattr(relay, phase, reply)

    with pytest.raises(Refused, match=reply[:3]):
        channel(relay.port).send(notice)
    assert relay.taken == []


def test_m6_a_wrong_password_is_our_settings_and_is_not_repeated(relay: Relay, notice: Notice) -> None:
    relay.auth = "535 no: qXcanaryX7"

    with pytest.raises(Refused) as refused:
        channel(relay.port, user="sexton", password="qXcanaryX7").send(notice)
    assert "535" in str(refused.value)
    assert "check user and password" in str(refused.value)
    assert "qXcanaryX7" not in str(refused.value)


def test_a_right_password_is_taken(relay: Relay, notice: Notice) -> None:
    channel(relay.port, user="sexton", password="qXcanaryX7").send(notice)

    assert relay.told() == list(ALL)


def test_m6_a_relay_without_starttls_is_never_told_anything(relay: Relay, notice: Notice) -> None:
    with pytest.raises(Refused, match="STARTTLS"):
        channel(relay.port, security="starttls", user="sexton", password="qXcanaryX7").send(notice)
    assert relay.taken == []


def test_m7_a_line_feed_in_the_title_makes_no_header(relay: Relay, notice: Notice) -> None:
    channel(relay.port).send(replace(notice, title="late\r\nBcc: spy@example.com\r\n\r\nhello"))

    ((receivers, message),) = relay.taken
    assert receivers == list(ALL)
    assert message["Bcc"] is None
    assert message["Subject"] == "[sexton] late\\r\\nBcc: spy@example.com\\r\\n\\r\\nhello"


def test_a_line_with_a_single_dot_does_not_end_the_message(relay: Relay, notice: Notice) -> None:
    channel(relay.port).send(replace(notice, text=".", facts={}))

    ((_, message),) = relay.taken
    assert message.get_payload(decode=True).decode().splitlines() == [".", "look closer: sexton show 17"]  # type: ignore[union-attr]


def test_nobody_listens(notice: Notice) -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1 cannot be reached"):
        channel(1).send(notice)


def test_g2_a_relay_that_drips_ends_with_the_whole_deadline(notice: Notice) -> None:
    """Each byte comes in time; the greeting lasts longer than any test, and its end would give another reason."""
    with dripping(b"220-", b"x") as port, pytest.raises(Unavailable, match="TooLate"):
        channel(port, whole=0.5).send(notice)


def test_a_receiver_who_left_the_settings_is_not_told(relay: Relay, notice: Notice) -> None:
    assert channel(relay.port).send(notice, only=("gone@example.com",)) == {}
    assert relay.sessions == 0
