"""Where ids of requirements stand: in texts, in comments and docstrings, in names of tests.

An id is a ticket's (`PF-137.2`, `ORA-BP.1`, `BJ-24`, `T5.2`, `REP-17`, `SEC-9`), anywhere in a text, or a letter with a
number (`P12`), which counts in comments, docstrings and names of tests only: elsewhere the same signs are data.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_TICKET = r"(?:(?:PF|PGC|BJ)-\d+(?:\.\d+)?|(?:REP|SEC)-\d+|ORA-[A-Z]{2,4}(?:\.\d+)?|T[1-6]\.\d)"
_TICKETS = re.compile(rf"\b{_TICKET}\b")
_ANY = re.compile(rf"\b(?:{_TICKET}|[A-Z]\d{{1,2}})\b")
_RANGE = re.compile(rf"\b(?P<first>{_TICKET}|[A-Z]\d{{1,2}}) to (?P<last>{_TICKET}|[A-Z]\d{{1,2}})\b")
_IN_NAME = r"(?:(?:pf|pgc|bj)_\d+(?:_\d+)?|(?:rep|sec)_\d+|ora_[a-z]{2,4}_\d+|t[1-6]_\d|[a-z]\d{1,2})_"
_NAME = re.compile(rf"test_((?:{_IN_NAME})+)")


@dataclass(frozen=True)
class Mentions:
    """What one Python file says.

    anywhere: ids in its text.  whole: those that stand in the docstring of the module.
    tests: name of a test, and the ids in it or in its docstring, or in that of its class.
    """

    anywhere: frozenset[str]
    whole: frozenset[str]
    tests: dict[str, frozenset[str]]


def tickets(text: str) -> frozenset[str]:
    """The ids of tickets in any text."""
    return frozenset(one for one in ids(text) if _TICKETS.fullmatch(one))


def ids(prose: str) -> frozenset[str]:
    """The ids in a comment, a docstring: of tickets, letters, and all that lie between the two ends of `L9 to L12`."""
    return frozenset(_ANY.findall(prose)) | _between(prose)


def ids_of_test(name: str) -> frozenset[str]:
    """The ids that a test's name begins with: `test_p11_l8_…`, `test_bj_24_1_…`."""
    found = _NAME.match(name)
    return frozenset(_written(one) for one in re.findall(_IN_NAME, found[1])) if found else frozenset()


@cache
def mentions(path: Path) -> Mentions:
    """Of a Python file."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    tests = dict(_tests(tree, frozenset()))
    prose = [*_comments(text), *_bare_strings(tree)]
    found = tickets(text).union(*map(ids, prose), *tests.values())
    return Mentions(found, ids(ast.get_docstring(tree) or ""), tests)


def _written(in_name: str) -> str:
    """`BJ-24.1` for `bj_24_1_`, `T5.2` for `t5_2_`."""
    head, *numbers = in_name.strip("_").upper().split("_")
    if numbers and head[-1].isdigit():
        return f"{head}.{numbers[0]}"
    return head + "-" + ".".join(numbers) if numbers else head


def _between(text: str) -> frozenset[str]:
    found: set[str] = set()
    for ends in _RANGE.finditer(text):
        first, last = (re.fullmatch(r"(.*?)(\d+)", ends[name]) for name in ("first", "last"))
        if first and last and first[1] == last[1]:
            found |= {f"{first[1]}{number}" for number in range(int(first[2]), int(last[2]) + 1)}
    return frozenset(found)


def _tests(tree: ast.AST, of_class: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from _tests(node, ids(ast.get_docstring(node) or ""))
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name, ids_of_test(node.name) | ids(ast.get_docstring(node) or "") | of_class


def _comments(text: str) -> Iterator[str]:
    if re.search(r"#.*\b[A-Z]\d", text):  # reading all tokens takes a while
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.string


def _bare_strings(tree: ast.AST) -> Iterator[str]:
    """Docstrings, those below constants as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value
