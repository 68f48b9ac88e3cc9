"""Fault C6: every line of a `.env` has one documented meaning, or is refused with its number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sexton.config.dotenv import parse, quoted
from sexton.errors import SettingsError

from .conftest import Place


def value_of(line: str) -> str:
    return parse(line)["SEXTON_X"].value


VALUES = [
    ("SEXTON_X=a", "a"),
    ("  SEXTON_X=a  ", "a"),
    ("export SEXTON_X=a", "a"),
    ("export\tSEXTON_X=a", "a"),
    ("SEXTON_X=a\r", "a"),
    ("\ufeffSEXTON_X=a", "a"),
    ("SEXTON_X=", ""),
    ("SEXTON_X= # nothing", ""),
    ("SEXTON_X=''", ""),
    ("SEXTON_X=a # why", "a"),
    ("SEXTON_X=a\t# why", "a"),
    ("SEXTON_X=p#ss", "p#ss"),
    ("SEXTON_X=#ff0000", "#ff0000"),
    ("SEXTON_X=a=b", "a=b"),
    ("SEXTON_X=$HOME", "$HOME"),
    ("SEXTON_X=${HOME}", "${HOME}"),
    ("SEXTON_X=`id`", "`id`"),
    ("SEXTON_X=a;b&c|d", "a;b&c|d"),
    ("SEXTON_X='a b'", "a b"),
    ("SEXTON_X='a # b'", "a # b"),
    ("SEXTON_X='a' # why", "a"),
    ("SEXTON_X='a' # it's why", "a"),
    (r"SEXTON_X='a\n$b'", r"a\n$b"),
    ("SEXTON_X='say \"a\"'", 'say "a"'),
    ('SEXTON_X="a b"', "a b"),
    ('SEXTON_X="a $b # c"', "a $b # c"),
    (r'SEXTON_X="a\nb"', "a\nb"),
    (r'SEXTON_X="say \"a\""', 'say "a"'),
    (r'SEXTON_X="a\\nb"', r"a\nb"),
    (r'SEXTON_X="a\\"', "a\\"),
    ('SEXTON_X="it\'s"', "it's"),
    ('SEXTON_X="a"  # why "not"', "a"),
]


@pytest.mark.parametrize(("line", "value"), VALUES)
def test_c6_a_line_means_what_the_manual_says(line: str, value: str) -> None:
    assert value_of(line) == value


REFUSED = [
    ("SEXTON_X =secret", "no blanks around the = of SEXTON_X; write SEXTON_X=value"),
    ("SEXTON_X= secret", "no blanks around the = of SEXTON_X; write SEXTON_X=value"),
    ("SEXTON_X = 'secret'", "no blanks around the = of SEXTON_X; write SEXTON_X=value"),
    ("SEXTON_X =", "no blanks around the = of SEXTON_X; write SEXTON_X=value"),
    ("SEXTON_X=top secret", "SEXTON_X: a value with blanks stands in quotes"),
    ("SEXTON_X=it's_secret", "SEXTON_X: a value with quotes or a backslash stands in quotes"),
    ('SEXTON_X=a"secret"', "SEXTON_X: a value with quotes or a backslash stands in quotes"),
    (r"SEXTON_X=secret\n", "SEXTON_X: a value with quotes or a backslash stands in quotes"),
    ("SEXTON_X='secret", "SEXTON_X: the quote is not closed on this line; close it, or write \\n"),
    ('SEXTON_X="secret', "SEXTON_X: the quote is not closed on this line; close it, or write \\n"),
    ('SEXTON_X="secret\\"', "SEXTON_X: the quote is not closed on this line; close it, or write \\n"),
    ('SEXTON_X="secret\\', "SEXTON_X: the quote is not closed on this line; close it, or write \\n"),
    ("SEXTON_X='a'secret", "SEXTON_X: text follows the closing quote; a comment needs a blank before its #"),
    ("SEXTON_X='a'#secret", "SEXTON_X: text follows the closing quote; a comment needs a blank before its #"),
    ('SEXTON_X="a" secret', "SEXTON_X: text follows the closing quote; a comment needs a blank before its #"),
    (r'SEXTON_X="a\tsecret"', 'SEXTON_X: in double quotes \\ is followed by n, " or \\; single quotes need'),
    (r'SEXTON_X="\$secret"', 'SEXTON_X: in double quotes \\ is followed by n, " or \\; single quotes need'),
    ("SEXTON-LESS secret", "this is not NAME=value; a comment starts with #"),
    ("secret", "this is not NAME=value; a comment starts with #"),
    ("export SEXTON_X", "this is not NAME=value; a comment starts with #"),
    ("SEXTON_X: secret", "this is not NAME=value; a comment starts with #"),
    ("set SEXTON_X=secret", "this is not NAME=value; a comment starts with #"),
    ("=secret", "this is not NAME=value; a comment starts with #"),
    ("SEXTON_X-Y=secret", "a name has letters, digits and _ only"),
    ("SEXTON_A=secret", "SEXTON_A is given twice, first on line 1; keep one of them"),
]


@pytest.mark.parametrize(("line", "wrong"), REFUSED)
def test_c6_a_doubtful_line_is_refused_with_its_number_and_without_its_value(line: str, wrong: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(f"SEXTON_A=1\n\n# ours\n{line}\nSEXTON_B=2\n")
    assert str(caught.value).startswith(f".env line 4: {wrong}")
    assert "secret" not in str(caught.value)


def test_c6_values_of_others_are_not_judged() -> None:
    text = """
FOREIGN = spaces around
GREETING=it's fine
GREETING=twice
KEY="-----BEGIN KEY-----
MIIEpAIBAAKCAQEA
A \\" quote
-----END KEY-----"
export ONE='a
b' # c
SEXTON_X=1
"""
    assert parse(text) == {"SEXTON_X": ("1", 11)}


@pytest.mark.parametrize("others", ['KEY="open\n', "KEY='open\n", 'A=1\nKEY="open \\"\n'])
def test_c6_an_open_quote_of_others_never_hides_our_settings(others: str) -> None:
    number = others.count("\n")
    with pytest.raises(SettingsError, match=rf"^\.env line {number}: the quote is not closed on this line"):
        parse(others)
    with pytest.raises(SettingsError, match=rf"^\.env line {number}: the quote is not closed before line"):
        parse(f"{others}SEXTON_X=\"1\"\nB='2'")


def test_c6_lines_end_at_line_feeds_only() -> None:
    assert value_of("SEXTON_X='a\x0bb\x0cc\x85d\u2028e\rf'\r\nB=1") == "a\x0bb\x0cc\x85d\u2028e\rf"


def test_c6_a_whole_file_as_an_editor_on_windows_writes_it(place: Place) -> None:
    settings = place.read(
        env=b"\xef\xbb\xbf# ours\r\n\r\nexport SEXTON_DATABASE=postgresql://shop:a#b$c@db/shop # live\r\n"
        b"SEXTON_PACKS=\"ledger\"\r\nDEBUG=1\r\nSEXTON_RUN__BATCH_ROWS='7'\r\n"
    )
    assert settings.database == "postgresql://shop:a#b$c@db/shop"
    assert settings.packs == ("ledger",)
    assert settings.run.batch_rows == 7


def test_c6_an_empty_value_is_refused(place: Place) -> None:
    for line in ("SEXTON_TIMEZONE=", "SEXTON_TIMEZONE=''", "SEXTON_PACKS=", "SEXTON_DATABASE="):
        message = place.refusal(env=line)
        name = line.partition("=")[0]
        assert message.startswith(f".env line 1: {name}: ")
        assert message.endswith("the text is empty; give a value, or leave the setting out for its default")


@given(st.text())
def test_c6_any_text_can_be_quoted_and_comes_back(value: str) -> None:
    line = f"SEXTON_X={quoted(value)}"
    assert value_of(line) == value
    assert parse(f"A=1\r\nexport {line} # why\r\nB=2\r\n")["SEXTON_X"] == (value, 2)


@given(st.text(alphabet="SEXTON_X='\"\\ #\n\r$a"))
def test_c6_any_file_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        entries = parse(text)
    except SettingsError as error:
        message = str(error)
    else:
        message = ".env line "
        assert all(name.startswith("SEXTON_") for name in entries)
    assert message.startswith(".env line ")
    assert "\n" not in message
