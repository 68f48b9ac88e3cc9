"""Templates of messages: what comes out, what is refused early, and what fails one message with one clear line."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sexton.call_outcomes import Done
from sexton.channels.contract import OutgoingMessage
from sexton.channels.template_engine import MOST_RENDERED, frozen
from sexton.channels.template_files import TemplateError
from sexton.channels.template_filters import FilterError, instant, money
from sexton.channels.templates import Templates, with_words
from sexton.errors import SettingsError, SettingsErrors

from .relay import Relay
from .test_mail_delivery import body, deliver, parts

PAYLOAD = {
    "number": "A-7",
    "total": 123450,
    "currency": "EUR",
    "name": "Ann <b>Lee</b>",
    "items": [{"title": "Tea & cake", "price": 450}, {"title": "Cup", "price": 1200}],
    "ends_at": "2026-11-22T04:00:00Z",
}


def check_templates(templates: Templates, names: Iterable[str]) -> None:
    """All that is wrong with them at once, as `sexton check` asks for it route by route."""
    if errors := [error for name in dict.fromkeys(names) for error in templates.errors(name)]:
        raise SettingsErrors(errors)


def message(payload: Mapping[str, Any] = PAYLOAD) -> OutgoingMessage:
    return OutgoingMessage(
        id="msg_7",
        key="order:7:confirmed",
        event="order.confirmed",
        recipient="ann@example.com",
        payload=payload,
        created_at=datetime(2026, 11, 30, 4, tzinfo=UTC),
    )


def templates(folder: Path, **files: str) -> Templates:
    """order="…" is order.txt, order_html="…" is order.html, order_subject="…" is order.subject.txt."""
    for name, text in files.items():
        stem, _, kind = name.partition("_")
        (folder / f"{stem}{ {'': '.txt', 'html': '.html', 'subject': '.subject.txt'}[kind] }").write_text(text)
    return Templates([folder])


def test_a_template_makes_subject_text_and_html(tmp_path: Path) -> None:
    made = templates(
        tmp_path,
        order_subject="Order {{ number }}: thank you\n",
        order="Hello {{ name }},\n"
        "{% for item in items %}\n- {{ item.title }}\n{% endfor %}\n"
        "{{ total | money(currency) }}\n",
        order_html="<p>Hello {{ name }}</p>\n",
    ).render("order", message())

    assert made.subject == "Order A-7: thank you"
    assert made.text == "Hello Ann <b>Lee</b>,\n- Tea & cake\n- Cup\n1,234.50 EUR\n"
    assert made.html == "<p>Hello Ann &lt;b&gt;Lee&lt;/b&gt;</p>\n"
    assert made.recipient == "ann@example.com"


def test_a_name_of_the_payload_comes_before_a_method_of_its_table(tmp_path: Path) -> None:
    made = templates(
        tmp_path,
        order="{{ payload.items | length }} {{ items[0].title }} "
        "{% for name, value in items[1].items() %}{{ name }} {% endfor %}",
    ).render("order", message())

    assert made.text == "2 Tea & cake title price "


def test_what_is_known_of_the_message_stands_under_its_name(tmp_path: Path) -> None:
    made = templates(tmp_path, order="{{ message.event }} {{ message.recipient }} {{ message.created_at | instant }}")

    assert made.render("order", message()).text == "order.confirmed ann@example.com 2026-11-30 04:00 UTC"


def test_a_template_with_a_text_alone_has_the_event_as_subject(tmp_path: Path) -> None:
    made = templates(tmp_path, order="x").render("order", message())

    assert (made.subject, made.text, made.html) == ("Order confirmed", "x", "")


def test_a_mail_of_a_template_arrives(tmp_path: Path, relay: Relay) -> None:
    made = templates(tmp_path, order="Grüße, {{ name }}", order_html="<b>{{ name }}</b>").render("order", message())

    (outcome,) = deliver(relay, made)

    ((_, mail),) = relay.taken
    assert isinstance(outcome, Done)
    assert mail["Subject"] == "Order confirmed"
    assert [body(one) for one in parts(mail)] == ["Grüße, Ann <b>Lee</b>\n", "<b>Ann &lt;b&gt;Lee&lt;/b&gt;</b>\n"]


def test_the_first_folder_wins_and_packages_have_folders_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's own replace those of a pack, each file by itself; what they extend may stand in the other one."""
    package = tmp_path / "some_pack" / "mails"
    package.mkdir(parents=True)
    (tmp_path / "some_pack" / "__init__.py").write_text("")
    (package / "order.txt").write_text("of the pack")
    (package / "base.html").write_text("<body>{% block all %}{% endblock %}</body>")
    (package / "paid.txt").write_text("paid")
    own = tmp_path / "own"
    own.mkdir()
    (own / "order.txt").write_text("of the user")
    (own / "order.html").write_text('{% extends "base.html" %}{% block all %}{{ name }}{% endblock %}')
    monkeypatch.syspath_prepend(tmp_path)

    found = Templates([own, "some_pack:mails"])

    assert found.render("order", message()).text == "of the user"
    assert found.render("order", message()).html == "<body>Ann &lt;b&gt;Lee&lt;/b&gt;</body>"
    assert found.render("paid", message()).text == "paid"
    check_templates(found, ["order", "paid"])


def test_a_changed_file_counts_without_a_new_start(tmp_path: Path) -> None:
    found = templates(tmp_path, order="one")
    assert found.render("order", message()).text == "one"

    (tmp_path / "order.txt").write_text("another")
    import os

    os.utime(tmp_path / "order.txt", (1, 1))

    assert found.render("order", message()).text == "another"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\n{{ totl }}", r"order\.txt, line 2: 'totl' is not in the message; did you mean total\?"),
        ("{{ items[0].titel }}", r"line 1: 'titel' is not in that table; did you mean title\?"),
        ("{{ items[9].title }}", r"line 1: tuple object has no '9'"),
        ("{{ totl | money(currency) }}", r"'totl' is not in the message"),
        ("{{ ends | instant }}", r"'ends' is not in the message; did you mean ends_at\?"),
        ("{{ number | money(currency) }}", "money takes a whole number"),
        ("{{ total | money('euro') }}", 'such as "EUR"'),
        ("{{ number | instant }}", "instant takes a time such as"),
        ("{{ ends_at | instant('Europe/Berln') }}", "did you mean Europe/Berlin"),
        ("{{ total + name }}", "unsupported operand"),
        ("{{ total // 0 }}", "ZeroDivisionError"),
        ("{{ name.__class__ }}", "unsafe"),
        ("{{ payload.__init__.__globals__ }}", "unsafe"),
        ("{{ name.format_map(payload) }}{{ '{0.__class__}'.format(name) }}", "unsafe|KeyError"),
        ("{% for a in range(9999) %}{% for b in range(9999) %}xxxxxxxx{% endfor %}{% endfor %}", "more than 1,048,576"),
        ("{% for a in range(10 ** 9) %}{% endfor %}", "Range too big|OverflowError"),
        ("{% include 'none.txt' %}", r"there is no none\.txt"),
    ],
)
def test_a_template_that_does_not_fit_the_message_fails_it_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    """It names file, line and event, and holds no value of the message."""
    found = templates(tmp_path, order=text)

    with pytest.raises(TemplateError, match=words) as told:
        found.render("order", message())

    line = str(told.value)
    assert line.startswith("template order.txt")
    assert line.endswith("(event order.confirmed)")
    assert "\n" not in line
    assert not [value for value in ("A-7", "Lee", "cake", "123450") if value in line]
    assert MOST_RENDERED == 1024 * 1024


@pytest.mark.parametrize(
    "text",
    ["{% do payload.update(x=1) %}", "{{ items.append(1) }}", "{{ payload.pop('number') }}", "{% set payload.x = 1 %}"],
)
def test_a_payload_cannot_be_changed(tmp_path: Path, text: str) -> None:
    with pytest.raises(TemplateError):
        templates(tmp_path, order=text).render("order", message())
    assert message().payload == PAYLOAD


def test_m7_a_subject_of_more_than_one_line_is_refused(tmp_path: Path) -> None:
    """(M7) Also where a value brings it."""
    found = templates(tmp_path, order="x", order_subject="Order {{ number }}")

    with pytest.raises(TemplateError, match="more than one line"):
        found.render("order", message({"number": "7\r\nBcc: spy@example.com"}))


def test_a_text_that_html_includes_would_not_be_escaped(tmp_path: Path) -> None:
    found = templates(tmp_path, order="{{ name }}", order_html="{% include 'order.txt' %}")

    with pytest.raises(TemplateError, match=r"order\.txt is no \.html, so it would stand here unescaped"):
        found.render("order", message())
    with pytest.raises(SettingsErrors, match="unescaped"):
        check_templates(found, ["order"])


def test_a_broken_template_is_found_before_it_is_needed(tmp_path: Path) -> None:
    """All faults at once, each with its file and line; also in what a template extends."""
    found = templates(
        tmp_path,
        order="x\n{% if number %}",
        order_html='{% extends "base.html" %}',
        base_html="{{ name | moneyy }}",
        paid_html="<p>",
        sent="{% extends 'gone.txt' %}",
    )
    (tmp_path / "late.txt").write_bytes(b"\xff\xfe")

    with pytest.raises(SettingsErrors) as told:
        check_templates(found, ["order", "paid", "sent", "late", "ordr", "../order", "order"])

    lines = "\n".join(told.value.lines)
    assert "template order.txt, line 2: Unexpected end of template" in lines
    assert "template base.html, line 1: No filter named 'moneyy'" in lines
    assert "template paid: there is no paid.txt" in lines
    assert "template gone.txt: there is no gone.txt" in lines
    assert "template late.txt: it is not written in UTF-8" in lines
    assert "template ordr: there is no ordr.txt; did you mean order?" in lines
    assert "template '../order': this is no name" in lines
    assert len(told.value.lines) == 7


@pytest.mark.parametrize("folder", ["nowhere", "no_such_pack:mails", "sexton.channels:mails"])
def test_a_folder_that_is_not_there_is_refused(folder: str) -> None:
    with pytest.raises(SettingsErrors, match="templates: "):
        check_templates(Templates([folder]), ["order"])


def test_without_jinja2_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "sexton.channels.template_engine")

    with pytest.raises(SettingsError, match=r"pip install 'sexton\[mail\]'"):
        templates(tmp_path, order="x").render("order", message())


def test_without_a_template_a_message_says_itself() -> None:
    """Its event in words, its payload as lines; what has no lines is JSON."""
    said = with_words(message({"order": {"number": "A-7", "open": True}, "items": [1, None], "note": "Größe"}))

    assert said.subject == "Order confirmed"
    assert said.text == "order.number: A-7\norder.open: true\nitems: [1, null]\nnote: Größe"
    assert said.html == ""


def test_a_message_that_says_nothing_says_its_event() -> None:
    said = with_words(message({}))

    assert (said.subject, said.text) == ("Order confirmed", "Order confirmed")


def test_what_a_template_made_is_left_as_it_is(tmp_path: Path) -> None:
    made = templates(tmp_path, order="x", order_subject="y").render("order", message())

    assert with_words(made) is made


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        (1250, "EUR", "12.50 EUR"),
        (5, "EUR", "0.05 EUR"),
        (-123456789, "USD", "-1,234,567.89 USD"),
        (0, "EUR", "0.00 EUR"),
        (1250, "JPY", "1,250 JPY"),
        (1250, "KWD", "1.250 KWD"),
        (12345, "CLF", "1.2345 CLF"),
    ],
)
def test_money_has_the_digits_of_its_currency(amount: int, currency: str, words: str) -> None:
    assert money(amount, currency) == words


def test_money_with_other_signs() -> None:
    assert money(123456789, "EUR", ",", ".") == "1.234.567,89 EUR"


@pytest.mark.parametrize("amount", [12.5, "1250", True, None])
def test_money_is_a_whole_number(amount: object) -> None:
    """A fraction of a float would be money that nobody has."""
    with pytest.raises(FilterError, match="whole number"):
        money(amount, "EUR")


@pytest.mark.parametrize(
    ("value", "zone", "words"),
    [
        ("2026-11-22T04:00:00Z", "Asia/Kolkata", "2026-11-22 09:30 IST"),
        ("2026-11-22T04:00:00+02:00", "UTC", "2026-11-22 02:00 UTC"),
        ("2026-11-22 04:00", "Europe/Berlin", "2026-11-22 05:00 CET"),
        ("2026-07-22 04:00", "Europe/Berlin", "2026-07-22 06:00 CEST"),
        (datetime(2026, 11, 22, 23, 30, tzinfo=UTC), "Asia/Kolkata", "2026-11-23 05:00 IST"),
    ],
)
def test_an_instant_is_shown_in_a_zone(value: object, zone: str, words: str) -> None:
    assert instant(value, zone) == words


def test_an_instant_has_a_form() -> None:
    assert instant("2026-11-22T04:00:00Z", "Asia/Kolkata", "%d.%m.%Y") == "22.11.2026"


@pytest.mark.parametrize("value", ["2026-11-22", "20261122", "soon", "", 1764000000, "0001-01-01T00:00"])
def test_a_date_is_no_instant(value: object) -> None:
    """A day begins at another instant in each zone."""
    with pytest.raises(FilterError, match="instant"):
        instant(value, "America/New_York")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=8), values, max_size=5))
def test_whatever_a_payload_holds_is_said_and_kept(payload: dict[str, Any]) -> None:
    """JSON of any depth; and what templates get of it cannot be changed."""
    said = with_words(message(payload))

    assert said.subject == "Order confirmed"
    assert said.text
    with pytest.raises(TypeError):
        frozen(payload)["x"] = 1


@pytest.mark.parametrize(
    "source",
    ["{{ payload[pin] }}", "{% include pin %}", "{{ pin[pin] }}", "{{ pin|attr(pin) }}", "{{ pin|attr('__class__') }}"],
)
def test_a_name_that_a_message_gave_is_in_no_error(tmp_path: Path, source: str) -> None:
    made = templates(tmp_path, code=source)

    with pytest.raises(TemplateError) as caught:
        made.render("code", message({"pin": "qXcanaryX7"}))

    assert "template code.txt, line 1: " in str(caught.value)
    assert "qXcanaryX7" not in str(caught.value)
