"""What cannot be a mail fails alone and before the relay sees it; faults M7 and M8, by examples and by chance."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import settings as of_hypothesis
from hypothesis import strategies as st

from sexton.call_outcomes import Done, Failed
from sexton.channels.mail_address import LONGEST_MAIL_ADDRESS, parse_mail_address

from .relay import Relay, relay_server
from .test_mail_delivery import deliver, kinds, message

ENDS = ("\r\n", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029")
"""What one program or another takes for the end of a line."""

SPY = "Bcc: spy@example.com"

GOOD = "good@example.com"


@pytest.mark.parametrize("end", ENDS, ids=ascii)
def test_m7_a_line_end_in_subject_name_or_address_is_refused(relay: Relay, end: str) -> None:
    """(M7) Never a second header; the mails beside it go."""
    inject = f"{end}{SPY}"
    odd = [
        message("a@example.com", subject=f"Order 7{inject}"),
        message(f"Ann{inject} <b@example.com>"),
        message(f"c@example.com{inject}"),
        message(f"d{inject}@example.com"),
    ]

    outcomes = deliver(relay, *odd, message(GOOD))

    assert kinds(outcomes) == [Failed] * 4 + [Done]
    assert all("line end, or a control character" in one.why for one in outcomes[:4])
    assert relay.told() == [GOOD]


def test_m7_a_line_end_in_the_text_is_a_line(relay: Relay) -> None:
    """(M7) Also a line that looks like a header, or ends the mail."""
    deliver(relay, message(GOOD, text=f"one\r\n.\r\n\r\n{SPY}\n.\n"))

    ((receivers, mail),) = relay.taken
    assert receivers == [GOOD]
    assert mail["Bcc"] is None
    assert mail.get_payload(decode=True).splitlines() == [b"one", b".", b"", SPY.encode(), b"."]  # type: ignore[union-attr]


def test_m7_a_line_end_in_the_key_is_in_no_header(relay: Relay) -> None:
    """(M7) A key may hold anything; its hash holds sixteen letters."""
    deliver(relay, message(GOOD, key=f"order:\r\n{SPY}\ud800"))

    ((_, mail),) = relay.taken
    assert mail["Bcc"] is None
    assert set(mail["Message-ID"].partition("@")[0]) <= {"<", *string.hexdigits}


@pytest.mark.parametrize(
    "address",
    [
        "",
        " ",
        "ann",
        "@example.com",
        "ann@",
        "ann@@example.com",
        "ann@exam ple.com",
        "ann lee@example.com",
        '"ann lee"@example.com',
        "ann@example.com, bob@example.com",
        "ann@example.com bob@example.com",
        "<ann@example.com> bob",
        "ann@example..com",
        "ann@example.com.",
        "ann@[127.0.0.1]",
        "ann>@example.com",
        "ann@example.com> SIZE=1",
        "ann\x00@example.com",
        "ann\ud800@example.com",
        "x" * 65 + "@example.com",
        "ann@" + "x" * 64 + ".com",
        "ann@" + "example." * 37 + "com",
        "x" * 300,
        "ann@" + "ü" * 300 + ".example",
        "ann@straße.example",
        "ann@exam\u200dple.com",
        "ann@a\u3002example",
    ],
    ids=lambda text: ascii(text)[:40],
)
def test_m8_an_address_that_cannot_be_one_fails_alone(relay: Relay, address: str) -> None:
    """(M8) Bad, empty, 300 characters, a domain that would become another: the batch goes on."""
    outcomes = deliver(relay, message(address), message(GOOD))

    assert kinds(outcomes) == [Failed, Done]
    assert outcomes[0].why.startswith("not sent: ")
    assert relay.told() == [GOOD]
    assert relay.sessions == 1


def test_m8_a_batch_of_bad_addresses_needs_no_relay() -> None:
    """(M8) Nothing listens there."""
    assert kinds(deliver(1, message(""), message("x"))) == [Failed, Failed]


def test_m8_a_domain_in_other_letters_is_written_in_plain_ones(relay: Relay) -> None:
    """(M8) IDN: by IDNA, where what comes back is what was written."""
    outcomes = deliver(relay, message("ann@München.example"), message("Jörg <joerg@日本語.example>"))

    assert kinds(outcomes) == [Done, Done]
    assert relay.told() == ["ann@xn--mnchen-3ya.example", "joerg@xn--wgv71a119e.example"]
    assert relay.taken[1][1]["To"] == "=?utf-8?q?J=C3=B6rg?= <joerg@xn--wgv71a119e.example>"


def test_m8_other_letters_before_the_at_need_a_relay_that_takes_them(relay: Relay) -> None:
    """(M8) Where it does not offer SMTPUTF8 only that mail fails, and the relay is not asked."""
    outcomes = deliver(relay, message("jörg@example.com"), message(GOOD))

    assert kinds(outcomes) == [Failed, Done]
    assert "SMTPUTF8" in outcomes[0].why
    assert len(relay.senders) == 1


def test_m8_a_relay_that_offers_smtputf8_gets_them_as_they_are(relay: Relay) -> None:
    """(M8) And the next mail is a plain one again."""
    relay.utf8 = True

    outcomes = deliver(relay, message("jörg@München.example"), message(GOOD))

    assert kinds(outcomes) == [Done, Done]
    assert relay.told() == [GOOD, "jörg@xn--mnchen-3ya.example"]
    assert ["SMTPUTF8" in one for one in relay.senders] == [True, False]


def test_m8_half_of_a_surrogate_pair_fails_alone(relay: Relay) -> None:
    """(M8) No text of a database, but one of Python."""
    outcomes = deliver(
        relay, message("a@example.com", text="\ud800"), message("b@example.com", subject="\ud800"), message(GOOD)
    )

    assert kinds(outcomes) == [Failed, Failed, Done]


def test_a_name_stands_beside_the_address(relay: Relay) -> None:
    deliver(relay, message('"Lee, Ann \\"A\\"" <ann@example.com>'))

    ((receivers, mail),) = relay.taken
    assert receivers == ["ann@example.com"]
    assert mail["To"] == '"Lee, Ann \\"A\\"" <ann@example.com>'


def test_an_address_of_the_greatest_length_is_taken() -> None:
    domain = ".".join(["x" * 61] * 3) + "."
    local = "y" * 60
    whole = f"{local}@{domain}{'z' * (LONGEST_MAIL_ADDRESS - len(local) - 1 - len(domain))}"

    assert len(whole) == LONGEST_MAIL_ADDRESS
    assert str(parse_mail_address(whole)) == whole
    with pytest.raises(ValueError, match="longer"):
        parse_mail_address(f"{whole}z")


anything = st.text(st.characters() | st.sampled_from('\r\n\x85\u2028 <>@",:;.\\()[]ü'), max_size=80)
near_address = st.builds("{}@{}".format, anything, anything) | st.builds(
    "{} <{}@example.com>".format, anything, anything
)


@given(
    st.lists(
        st.tuples(near_address | anything, anything, anything, st.sampled_from(["a@example.com", "b@example.com"])),
        min_size=1,
        max_size=6,
    )
)
@of_hypothesis(max_examples=60)
def test_m7_m8_whatever_stands_there_adds_no_header_and_stops_no_mail(rows: list[tuple[str, str, str, str]]) -> None:
    """(M7) (M8) Every second mail is a good one, and arrives; what else arrives has the headers of a mail, and one
    recipient."""
    with relay_server() as relay:
        relay.utf8 = True
        pairs = [
            (message(odd, text=text, subject=subject, key=subject), message(good)) for odd, subject, text, good in rows
        ]
        outcomes = deliver(relay, *(one for pair in pairs for one in pair))

    assert kinds(outcomes[1::2]) == [Done] * len(rows)
    assert {*kinds(outcomes[::2])} <= {Done, Failed}
    assert len(relay.taken) == kinds(outcomes).count(Done)
    known = {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version"}
    for receivers, mail in relay.taken:
        assert len(receivers) == 1
        assert set(mail.keys()) - {"X-Peer"} <= known | {"Content-Type", "Content-Transfer-Encoding"}
        assert len(set(mail.keys())) == len(mail.keys())


@given(near_address | anything)
def test_m8_an_address_is_read_or_refused(text: str) -> None:
    """(M8) What is read can be written into an envelope, and is read as itself."""
    try:
        address = parse_mail_address(text)
    except ValueError:
        return

    assert not set(str(address)) & set(" <>\r\n\x00\u2028\u2029\x85")
    assert parse_mail_address(str(address)) == parse_mail_address(f"<{address}>")
    assert str(parse_mail_address(str(address))) == str(address)
