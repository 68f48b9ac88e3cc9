"""Fault C6: each line of a `.env` means what the manual says, or is refused with its number."""

from __future__ import annotations

import io

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from sexton.config.dotenv_file import Entry, parse, quoted
from sexton.config.sources import load

from .conftest import Place


def read(text: str) -> tuple[dict[str, Entry], list[str]]:
    """The names of the text, and what is wrong with it."""
    wrong: list[str] = []
    return parse(text, lambda line, why: wrong.append(f"line {line}: {why}")), wrong


def value_of(line: str) -> str:
    entries, wrong = read(line)
    assert not wrong
    return entries["SEXTON_X"].value


VALUES = [
    ("SEXTON_X=a", "a"),
    ("  SEXTON_X=a  ", "a"),
    ("export SEXTON_X=a", "a"),
    ("export\tSEXTON_X=a", "a"),
    ("SEXTON_X=a\r", "a"),
    ("\ufeffSEXTON_X=a", "a"),
    ("SEXTON_X =a", "a"),
    ("SEXTON_X= a", "a"),
    ("SEXTON_X = 'a b'", "a b"),
    ("'SEXTON_X'=a", "a"),
    ("SEXTON_X=", ""),
    ("SEXTON_X =", ""),
    ("SEXTON_X= # nothing", ""),
    ("SEXTON_X=''", ""),
    ("SEXTON_X=a # why", "a"),
    ("SEXTON_X=a\t# why", "a"),
    ("SEXTON_X=a b", "a b"),
    ("SEXTON_X=p#ss", "p#ss"),
    ("SEXTON_X=#ff0000", "#ff0000"),
    ("SEXTON_X=a=b", "a=b"),
    ("SEXTON_X=$HOME", "$HOME"),
    ("SEXTON_X=${HOME}", "${HOME}"),
    ('SEXTON_X="${HOME:-a}"', "${HOME:-a}"),
    ("SEXTON_X=`id`", "`id`"),
    ("SEXTON_X=a;b&c|d", "a;b&c|d"),
    ("SEXTON_X=it's", "it's"),
    (r"SEXTON_X=a\nb", r"a\nb"),
    ("SEXTON_X='a b'", "a b"),
    ("SEXTON_X='a # b'", "a # b"),
    ("SEXTON_X='a' # why", "a"),
    ("SEXTON_X='a'# why", "a"),
    ("SEXTON_X='a' # it's why", "a"),
    (r"SEXTON_X='a\n$b'", r"a\n$b"),
    (r"SEXTON_X='it\'s \\'", "it's \\"),
    ("SEXTON_X='say \"a\"'", 'say "a"'),
    ("SEXTON_X='a\nb'", "a\nb"),
    ('SEXTON_X="a b"', "a b"),
    ('SEXTON_X="a $b # c"', "a $b # c"),
    (r'SEXTON_X="a\nb\tc"', "a\nb\tc"),
    (r'SEXTON_X="a\$b"', r"a\$b"),
    (r'SEXTON_X="say \"a\""', 'say "a"'),
    (r'SEXTON_X="a\\nb"', r"a\nb"),
    (r'SEXTON_X="a\\"', "a\\"),
    ('SEXTON_X="it\'s"', "it's"),
    ('SEXTON_X="a"  # why "not"', "a"),
]


@pytest.mark.parametrize(("line", "value"), VALUES)
def test_c6_a_line_means_what_the_manual_says(line: str, value: str) -> None:
    assert value_of(line) == value


@pytest.mark.parametrize(("line", "value"), VALUES)
def test_c6_a_line_means_what_it_means_to_python_dotenv(line: str, value: str) -> None:
    assert dotenv_values(stream=io.StringIO(line), interpolate=False) == {"SEXTON_X": value}


SHAPE = "this is not NAME=value, a comment starts with #"
REFUSED = [
    ("SEXTON_X='secret", SHAPE),
    ('SEXTON_X="secret', SHAPE),
    ('SEXTON_X="secret\\"', SHAPE),
    ('SEXTON_X="secret\\', SHAPE),
    ("SEXTON_X='a'secret", SHAPE),
    ('SEXTON_X="a" secret', SHAPE),
    ("SEXTON-LESS secret", SHAPE),
    ("secret", SHAPE),
    ("'secret'", SHAPE),
    ("export SEXTON_X", SHAPE),
    ("SEXTON_X", SHAPE),
    ("SEXTON_X: secret", SHAPE),
    ("set SEXTON_X=secret", SHAPE),
    ("=secret", SHAPE),
    ("'=secret", SHAPE),
    ("SEXTON_A=secret", "SEXTON_A is given twice, first on line 1; keep one of them"),
]


@pytest.mark.parametrize(("line", "wrong"), REFUSED)
def test_c6_a_doubtful_line_is_refused_with_its_number_and_without_its_value(line: str, wrong: str) -> None:
    _, said = read(f"SEXTON_A=1\n\n# ours\n{line}\nSEXTON_B=2\n")
    assert len(said) == 1
    assert said[0].startswith(f"line 4: {wrong}")
    assert "secret" not in said[0]


def test_c6_every_doubtful_line_is_told() -> None:
    entries, wrong = read("secret\r\n\r\nSEXTON_A=1\r\nSEXTON_B='open\rSEXTON_A=2\r\n\n  secret\n")
    assert [line.partition(": ")[0] for line in wrong] == ["line 1", "line 4", "line 5", "line 7"]
    assert entries == {"SEXTON_A": ("1", 3)}


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
    assert read(text) == ({"SEXTON_X": ("1", 11)}, [])


@pytest.mark.parametrize("others", ['KEY="open\n', "KEY='open\n", 'A=1\nKEY="open \\"\n'])
def test_c6_an_open_quote_of_others_never_hides_our_settings(others: str) -> None:
    number = others.count("\n")
    assert read(others)[1][0].startswith(f"line {number}: {SHAPE}; or a quote is not closed")
    closed = f"{others}export SEXTON_X=1\nB={others.partition('KEY=')[2][0]}\n"
    entries, wrong = read(closed)
    assert not entries
    assert wrong == [
        f"line {number}: the quote is not closed before line {number + 1}, which holds a SEXTON_ name; close it"
    ]


def test_c6_lines_end_as_python_dotenv_ends_them() -> None:
    assert value_of("SEXTON_X='a\x0bb\x0cc\x85d\u2028e\rf'\r\nB=1") == "a\x0bb\x0cc\x85d\u2028e\rf"
    assert read("A=1\rB=2\r\n\n\x0c SEXTON_X=1")[0] == {"SEXTON_X": ("1", 4)}


def test_c6_a_whole_file_as_an_editor_on_windows_writes_it(place: Place) -> None:
    settings = place.read(
        env=b"\xef\xbb\xbf# ours\r\n\r\nexport SEXTON_DATABASE=postgresql://shop:a#b$c@db/shop # live\r\n"
        b"SEXTON_PACKS=\"ledger\"\r\nDEBUG=1\r\nSEXTON_RUN__BATCH_ROWS='7'\r\n"
    )
    assert settings.database == "postgresql://shop:a#b$c@db/shop"
    assert settings.packs == ("ledger",)
    assert settings.run.batch_rows == 7


def test_c6_nothing_is_put_in_for_a_dollar_sign(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "somewhere")
    place.read(env="A=b\nSEXTON_INSTALLATION=x${A}$HOME\n")
    assert load(environ={}).installation == "x${A}$HOME"


def test_c6_an_empty_value_is_refused(place: Place) -> None:
    for line in ("SEXTON_TIMEZONE=", "SEXTON_TIMEZONE=''", "SEXTON_PACKS=", "SEXTON_DATABASE="):
        message = place.refusal(env=line)
        name = line.partition("=")[0]
        assert message.startswith(f".env line 1: {name}: ")
        assert message.endswith("the text is empty; give a value, or leave the setting out for its default")


def test_c6_no_value_is_judged_or_repeated_where_a_line_is_none(place: Place) -> None:
    message = place.refusal(env="SEXTON_TIMEZONE=top\nsecret\nSEXTON_TIMEZON=UTC\n")
    assert message.startswith(f".env line 2: {SHAPE}")
    assert ".env line 3: SEXTON_TIMEZON: unknown setting; did you mean SEXTON_TIMEZONE" in message
    assert "top" not in message


@given(st.text())
def test_c6_any_text_can_be_quoted_and_comes_back(value: str) -> None:
    line = f"SEXTON_X={quoted(value)}"
    assert value_of(line) == value
    assert read(f"A=1\r\nexport {line} # why\r\nB=2\r\n")[0]["SEXTON_X"] == (value, 2)


@given(st.text(alphabet="SEXTON_X='\"\\ #\n\r$a"))
def test_c6_any_file_is_read_or_refused_in_one_line_each(text: str) -> None:
    entries, wrong = read(text)
    assert all(name.startswith("SEXTON_") for name in entries)
    assert all("\n" not in line for line in wrong)
