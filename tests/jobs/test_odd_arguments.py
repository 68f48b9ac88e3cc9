"""Arguments that look like what JSON holds and are not: members of an Enum that are texts, names of no character."""

from __future__ import annotations

from enum import Enum, Flag, IntEnum
from typing import Any, Literal

import pytest

from sexton.errors import PolicyError, UsageError
from sexton.jobs.arguments import Parameters, UnfitArguments, loaded_arguments


def anything(run: object, **others: Any) -> None:
    """Takes whatever JSON holds."""


ANYTHING = Parameters("shop.anything", anything)


def taking(annotation: Any) -> Parameters:
    """Parameters of a function whose one argument is `value`, of this type."""

    def work(run: object, value: Any) -> None:
        """Takes it."""

    work.__annotations__["value"] = annotation
    return Parameters("shop.take", work)


class Size(str, Enum):  # noqa: UP042 - products have these
    """Its members are texts as well."""

    SMALL = "small"


class Level(IntEnum):
    """Its members are numbers as well."""

    HIGH = 3


class Right(Flag):
    """Its members may be added."""

    READ = 1
    WRITE = 2


class Pair(Enum):
    """JSON has no tuples."""

    BOTH = (1, 2)


class Picky(Enum):
    """It fails in words of its own."""

    ONE = "one"

    @classmethod
    def _missing_(cls, value: object) -> Picky:
        raise KeyError(value)


@pytest.mark.parametrize("annotation", [Any, str, str | None])
def test_a_member_that_is_a_text_is_carried_as_that_text(annotation: Any) -> None:
    """str() of it would be its name, `Size.SMALL`."""
    assert taking(annotation).written({"value": Size.SMALL}) == '{"value":"small"}'
    assert ANYTHING.written({"value": {Size.SMALL: Level.HIGH}}) == '{"value":{"small":3}}'


@pytest.mark.parametrize("value", [Size.SMALL, Level.HIGH, Right.READ | Right.WRITE, Picky.ONE])
def test_members_come_back_as_themselves(value: Enum) -> None:
    parameters = taking(type(value))

    assert parameters.read(loaded_arguments(parameters.written({"value": value}))) == {"value": value}


def test_a_member_that_would_not_come_back_is_refused_when_it_is_asked_for() -> None:
    with pytest.raises(UsageError, match="value has a value that JSON does not bring back"):
        taking(Pair).written({"value": Pair.BOTH})


def test_a_literal_of_members_is_refused_with_the_job() -> None:
    with pytest.raises(PolicyError, match="use the Enum itself"):
        taking(Literal[Size.SMALL])


def test_a_member_that_is_gone_is_unfit_whatever_its_enumeration_raises() -> None:
    with pytest.raises(UnfitArguments, match="must be one of one") as caught:
        taking(Picky).read({"value": "secret"})

    assert "secret" not in str(caught.value)
    with pytest.raises(UsageError, match="value must be one of one"):
        taking(Picky).from_words({"value": "secret"})


@pytest.mark.parametrize(("name", "said"), [("a\0", "holds a NUL"), ("\ud800", "holds half a surrogate pair")])
def test_a_name_that_no_database_keeps_is_refused(name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        ANYTHING.written({name: 1})

    assert str(caught.value).isprintable()
