"""SEC-9: whatever somebody wrote, nothing that is obeyed or not seen leaves us, and one text is one line."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sexton.channels.chat_text import chat_text
from sexton.channels.contract import Notice, as_json, compact
from sexton.cli._common import table
from sexton.console import Plain, complain, say, say_while_read, write_traceback
from sexton.telemetry import logs
from sexton.texts import json_text, lines, one_line, printed, visible, width

from .support.patience import PATIENCE

OBEYED = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Categories of Unicode whose members have no shape, or move something: none is shown as it is."""

SHAPELESS = [chr(point) for point in range(0x110000) if category(chr(point)) in ("Cc", "Cf", "Zl", "Zp")]
UNDECODABLE = st.binary(max_size=8).map(lambda data: data.decode("utf-8", "surrogateescape"))
SIGNS = st.one_of(
    st.characters(),
    st.sampled_from(SHAPELESS),
    st.integers(0xD800, 0xDFFF).map(chr),
    st.sampled_from('`*_~[](){}<>@#|\\"\n\r\t日🗑é'),
)
TEXTS = st.one_of(st.lists(st.one_of(SIGNS, UNDECODABLE), max_size=40).map("".join))


def shapeless(text: str, *, but: str = "") -> list[str]:
    return [sign for sign in text if category(sign) in OBEYED and sign not in but]


@given(TEXTS)
def test_sec_9_a_visible_text_is_one_line_without_anything_that_is_obeyed(text: str) -> None:
    shown = visible(text)

    assert shapeless(shown) == []
    assert len(shown.splitlines()) <= 1
    assert visible(shown) == shown
    assert visible(one_line(text)) == one_line(shown)
    shown.encode()


def test_sec_9_every_sign_without_a_shape_is_an_escape_that_can_be_read() -> None:
    for sign in [*SHAPELESS, "\ud800", "\udfff", "\ue000", "\U0010ffff"]:
        shown = visible(f"a{sign}b")
        assert shapeless(shown) == []
        assert json.loads(f'"{shown}"') == f"a{sign}b"


@pytest.mark.parametrize("text", ["plain", "grün 日本 🗑 ไทย e\u0301", "a\u00a0b\u3000c", 'back\\slash "quoted"'])
def test_sec_9_a_text_that_can_be_seen_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


@given(TEXTS)
def test_sec_9_a_foreign_stream_keeps_only_line_feeds_and_tabs(text: str) -> None:
    assert shapeless(printed(text), but="\n\t") == []


@given(st.dictionaries(TEXTS, TEXTS, max_size=3), st.sampled_from([None, 2]))
def test_sec_9_json_escapes_and_gives_the_value_back(value: dict[str, str], indent: int | None) -> None:
    shown = json_text(value, indent=indent)

    assert shapeless(shown, but="\n" if indent else "") == []
    assert json.loads(shown) == json.loads(json.dumps(value))


@given(TEXTS)
def test_sec_9_a_log_line_is_one_line_of_json(text: str) -> None:
    line = logs.said(text, error=text)

    assert shapeless(line) == []
    assert json.loads(line)["error"] == json.loads(json.dumps(text))


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_sec_9_each_argument_is_one_line_of_output(texts: list[str]) -> None:
    for way, stream in ((say, "stdout"), (say_while_read, "stdout"), (complain, "stderr")):
        written = io.StringIO(newline="")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, stream, written)
            way(*texts)
        assert shapeless(written.getvalue(), but="\n") == []
        assert written.getvalue().count("\n") == len(texts)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4))
def test_sec_9_columns_stay_below_each_other(rows: list[tuple[str, str]]) -> None:
    rows = [(name.replace("≡", "="), text) for name, text in rows]
    told = table(["NAME", "TEXT"], [(name, f"≡{text}") for name, text in rows])

    assert len(told) == len(rows) + 1
    assert {width(line[: line.index("≡")]) for line in told[1:]} == {width(told[0][: told[0].index("TEXT")])}


@pytest.mark.parametrize(
    ("text", "columns"), [("", 0), ("abc", 3), ("日本", 4), ("🗑🔔", 3), ("e\u0301", 1), ("ไทยที่", 4), ("\\u001b", 6)]
)
def test_sec_9_columns_are_counted_as_a_terminal_has_them(text: str, columns: int) -> None:
    assert width(text) == columns


@given(TEXTS, TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=3))
def test_sec_9_sec_20_a_notice_is_made_fit_for_every_channel(title: str, text: str, facts: dict[str, str]) -> None:
    notice = Notice("key", title, text, text, facts, "sexton show 1")

    told = [notice.title, *notice.lines(), *json.loads(compact(as_json(notice)))["facts"].values()]
    assert [line for line in told if shapeless(line)] == []
    assert len(notice.lines()) == len(notice.facts) + 2
    "\n".join(told).encode()


@given(TEXTS, TEXTS, TEXTS, st.integers(400, 2000))
def test_sec_20_in_a_chat_all_of_it_is_code(title: str, text: str, fact: str, longest: int) -> None:
    notice = Notice("key", title, text * 9, "shop.expire", {"last error": fact}, "sexton show 1")

    message = chat_text(notice, "**", longest, size=lambda part: len(part.encode("utf-16-le")) // 2)

    first, fence, *told, end = message.split("\n")
    assert first.startswith("**`")
    assert first.endswith("`**")
    assert (fence, end) == ("```", "```")
    assert "`" not in first[3:-3] + "".join(told)
    assert len(told) <= 3
    assert len(message.encode("utf-16-le")) // 2 <= longest


def test_sec_9_an_error_that_nobody_foresaw_begins_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("no \x1b[31m\nrun 99 succeeded\r\u202e password=qXcanaryX")
    except ValueError as error:
        write_traceback(error)

    first, *others = capsys.readouterr().err.splitlines()
    assert first.startswith("sexton: unexpected ValueError")
    assert "  run 99 succeeded\\r\\u202e password=***" in others
    assert all(line.startswith("  ") for line in others)
    assert not any(map(shapeless, others))


LIBRARY = """
import logging
import threading
import warnings
from sexton.console import plain_logging, plain_output
with plain_output():
    plain_logging()
    warnings.warn("old \\x1b[2J\\nrun 99 succeeded", UserWarning)
    logging.getLogger("lib").error("lost \\x9b\\nrun 98 succeeded")
    thread = threading.Thread(target=exec, args=("raise ValueError('odd \\\\x1b[31m\\\\nrun 97 succeeded')",))
    thread.start()
    thread.join()
"""


def test_sec_9_warnings_and_logs_of_libraries_begin_no_line() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", LIBRARY],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )

    told = done.stderr.splitlines()
    assert told[:4] == [
        "sexton: UserWarning: old \\u001b[2J\\nrun 99 succeeded",
        "lost \\u009b",
        "  run 98 succeeded",
        "sexton: unexpected ValueError; please report this:",
    ]
    assert told[-2:] == ["  ValueError: odd \\u001b[31m", "  run 97 succeeded"]
    assert all(line.startswith("  ") for line in told[4:])


def test_sec_9_output_that_was_closed_before_we_began_is_no_error() -> None:
    asked = 'exec "$0" -m sexton.cli.main --version >&-'

    done = subprocess.run(
        ["sh", "-c", asked, sys.executable], capture_output=True, text=True, timeout=PATIENCE, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


@given(TEXTS)
def test_sec_9_what_others_print_is_plain_in_every_encoding(text: str) -> None:
    for encoding in ("ascii", "latin-1", "utf-8"):
        written = io.BytesIO()
        stream = io.TextIOWrapper(written, encoding=encoding, newline="", write_through=True)
        Plain(stream).write(text)
        assert shapeless(written.getvalue().decode(encoding), but="\n\t") == []


def test_sec_9_attack_lines_that_others_write_at_once_are_plain_as_well() -> None:
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="ascii", newline="", write_through=True)

    Plain(stream).writelines(["a\x1b[2J\n", "\u202eb\n"])

    assert written.getvalue() == b"a\\u001b[2J\n\\u202eb\n"


def test_sec_9_a_text_of_several_lines_is_kept_as_such() -> None:
    assert lines("a\x1b\nb\u202e", 100) == "a\\u001b\nb\\u202e"
