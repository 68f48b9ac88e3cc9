"""Arguments of jobs on demand: checked against the function before they are kept, and the same when they are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sexton.errors import PolicyError, UsageError
from sexton.jobs.argument_types import DEEPEST
from sexton.jobs.arguments import MAX_ARGUMENTS_BYTES, Parameters, UnfitArguments, loaded_arguments


class Colour(Enum):
    """For an argument."""

    RED = "red"
    BLUE = 2


NAIVE = datetime(2026, 12, 1, tzinfo=UTC).replace(tzinfo=None)


def send(run: object, invoice_id: int, due: date | None = None, *, note: str = "") -> None:
    """What most tests ask for."""


def anything(run: object, **others: Any) -> None:
    """Takes whatever JSON holds."""


SEND = Parameters("shop.send", send)
ANYTHING = Parameters("shop.anything", anything)


def taking(annotation: Any) -> Parameters:
    """Parameters of a function whose one argument is `value`, of this type."""

    def work(run: object, value: Any) -> None:
        """Takes it."""

    work.__annotations__["value"] = annotation
    return Parameters("shop.take", work)


def there_and_back(parameters: Parameters, **arguments: Any) -> dict[str, Any]:
    return parameters.read(loaded_arguments(parameters.written(arguments)))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"invoice_id": 1, "duee": None}, "there is no argument 'duee'; did you mean due"),
        ({"invoice_id": 1, "zzz": 1}, "there is no argument 'zzz'; known: due, invoice_id, note"),
        ({}, "invoice_id must be given"),
        ({"invoice_id": "7"}, "invoice_id must be a whole number, not str"),
        ({"invoice_id": True}, "invoice_id must be a whole number, not bool"),
        ({"invoice_id": 7.0}, "invoice_id must be a whole number, not float"),
        ({"invoice_id": 10**2000}, "must be a whole number of no more than a thousand digits"),
        ({"invoice_id": 1, "due": "2026-12-01"}, "due must be a date or nothing, not str"),
        ({"invoice_id": 1, "due": datetime(2026, 12, 1, tzinfo=UTC)}, "due must be a date or nothing, not datetime"),
        ({"invoice_id": 1, "note": "a\0b"}, "note holds a NUL"),
        ({"invoice_id": 1, "note": "\ud800"}, "note holds half a surrogate pair"),
        ({"invoice_id": 1, "note": "x" * MAX_ARGUMENTS_BYTES}, "the arguments take more than 64 KiB"),
        ({"invoice_id": 1, "note": "ש" * (MAX_ARGUMENTS_BYTES // 2)}, "the arguments take more than 64 KiB"),
        ({"invoice_id": 1, 7: 1}, "arguments are a dictionary by name"),
        ([1], "arguments are a dictionary by name, not list"),
    ],
)
def test_what_misfits_is_said_in_one_line_without_its_value(arguments: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        SEND.written(arguments)

    assert said in str(caught.value)
    assert str(caught.value).startswith("shop.send: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("annotation", "value", "said"),
    [
        (datetime, NAIVE, "a datetime with its zone: without one nobody knows which instant it is"),
        (datetime, "2026-12-01T00:00Z", "must be a datetime with its zone, not str"),
        (Decimal, Decimal("NaN"), "must be a finite number"),
        (Decimal, 1.5, "must be a decimal number, not float"),
        (float, float("inf"), "must be a finite number"),
        (float, 10**400, "must be a finite number"),
        (bool, 1, "must be true or false, not int"),
        (Colour, "red", "must be a Colour, not str"),
        (Literal["a", "b"], "c", "must be one of 'a', 'b'"),
        (list[int], [1, "2"], "must be a whole number, not str"),
        (list[int], "12", "must be a list, not str"),
        (dict[str, int], {1: 2}, "must be a dictionary with texts as keys"),
        (date | str, "2026-12-01", "would come back as something else: a date or text cannot be told apart"),
        (Any, object(), "must be what JSON holds, not object; annotate it"),
        (Any, date(2026, 12, 1), "must be what JSON holds, not date; annotate it"),
        (Any, {"a": {1: 2}}, "must have texts as keys"),
        (Any, b"x", "must be what JSON holds, not bytes"),
        (Any, {"\0": 1}, "holds a NUL"),
    ],
)
def test_each_type_refuses_what_is_none_of_it(annotation: Any, value: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        taking(annotation).written({"value": value})

    assert said in str(caught.value)


def test_what_is_too_deep_or_inside_itself_is_refused() -> None:
    nested: Any = 1
    for _ in range(DEEPEST + 2):
        nested = [nested]
    itself: list[Any] = []
    itself.append(itself)

    for value in (nested, itself):
        with pytest.raises(UsageError, match="more than 50 deep"):
            ANYTHING.written({"value": value})


def positional(run: object, value: int, /) -> None:
    """Cannot be called by name."""


def several(run: object, *values: int) -> None:
    """Takes no names."""


def reserved(run: object, wish: int) -> None:
    """`enqueue` takes that for itself."""


def strange(run: object, value: Parameters) -> None:
    """What JSON holds not."""


def keys(run: object, value: dict[int, int]) -> None:
    """Whose keys JSON holds not."""


def without_run() -> None:
    """Takes nothing."""


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (positional, "arguments are carried by name"),
        (several, "arguments are carried by name"),
        (reserved, "an argument cannot be called 'wish'"),
        (strange, "value: Parameters cannot be carried; use what JSON holds"),
        (keys, "value: the keys of a dictionary must be str"),
        (without_run, "must take the run first"),
        ("text", "is a function `work(run, …)`, not str"),
    ],
)
def test_a_function_to_which_nothing_can_be_carried_is_refused(function: Any, said: str) -> None:
    with pytest.raises(PolicyError) as caught:
        Parameters("shop.odd", function)

    assert said in str(caught.value)


class Callable:
    """A function that is an object."""

    def __call__(self, run: object, number: int) -> None:
        """Takes a number."""


def test_objects_methods_and_partials_are_functions_too() -> None:
    for function in (Callable(), Callable().__call__, partial(send, note="x")):
        parameters = Parameters("shop.odd", function)
        name = "number" if isinstance(function, Callable) or not isinstance(function, partial) else "invoice_id"
        assert there_and_back(parameters, **{name: 3})[name] == 3


_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=10,
)
_ZONES = st.sampled_from([UTC, ZoneInfo("Asia/Jerusalem"), ZoneInfo("America/St_Johns")])
_MIN, _MAX = (datetime(year, 1, 1, tzinfo=UTC).replace(tzinfo=None) for year in (2, 9998))
_KINDS: Mapping[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**80), 2**80),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: _TEXTS,
    bool: st.booleans(),
    datetime: st.datetimes(_MIN, _MAX, timezones=_ZONES),
    date: st.dates(),
    time: st.times(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    UUID: st.uuids(),
    Colour: st.sampled_from(Colour),
    Literal["a", 1]: st.sampled_from(["a", 1]),
    list[date]: st.lists(st.dates(), max_size=3),
    dict[str, Decimal]: st.dictionaries(_TEXTS, st.decimals(allow_nan=False, allow_infinity=False), max_size=3),
    date | None: st.none() | st.dates(),
    int | str: st.integers(0, 9) | _TEXTS,
    list[int | None] | None: st.none() | st.lists(st.none() | st.integers(0, 9), max_size=3),
    Any: _JSON,
}


@given(st.sampled_from(list(_KINDS.items())).flatmap(lambda kind: st.tuples(st.just(kind[0]), kind[1])))
def test_what_is_written_is_read_the_same(kind: tuple[Any, Any]) -> None:
    annotation, value = kind

    read = there_and_back(taking(annotation), value=value)["value"]

    assert read == value
    assert type(read) is type(value)


@given(st.dictionaries(st.from_regex("[a-z]{1,8}", fullmatch=True), _JSON, max_size=4))
def test_whatever_json_holds_is_read_the_same(arguments: dict[str, Any]) -> None:
    assert there_and_back(ANYTHING, **arguments) == arguments


@given(st.sampled_from([*_KINDS]), st.builds(object) | _JSON | st.datetimes() | st.binary())
def test_what_misfits_is_a_usage_error_and_what_fits_can_be_read(annotation: Any, value: Any) -> None:
    parameters = taking(annotation)
    try:
        text = parameters.written({"value": value})
    except UsageError:
        return
    json.loads(text)
    parameters.read(loaded_arguments(text))


def test_an_instant_comes_back_as_the_same_instant() -> None:
    value = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1)

    assert there_and_back(taking(datetime), value=value)["value"] - value.astimezone(UTC) == timedelta()


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ({"invoice_id": 1, "gone": 2}, "takes no gone any more"),
        ({}, "needs invoice_id, which this request has not"),
        ({"invoice_id": "x"}, "an argument must be a whole number, not str"),
    ],
)
def test_kept_arguments_that_fit_no_more_are_unfit(kept: dict[str, Any], said: str) -> None:
    with pytest.raises(UnfitArguments) as caught:
        SEND.read(kept)

    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["", "[1]", "{", "7", "[" * 100_000])
def test_what_is_no_object_is_unfit(text: str) -> None:
    with pytest.raises(UnfitArguments, match="no JSON object"):
        loaded_arguments(text)


@pytest.mark.parametrize(
    ("annotation", "word", "value"),
    [
        (int, "7", 7),
        (str, "7", "7"),
        (float, "7", 7.0),
        (bool, "true", True),
        (date, "2026-12-01", date(2026, 12, 1)),
        (datetime, "2026-12-01T04:00Z", datetime(2026, 12, 1, 4, tzinfo=UTC)),
        (Decimal, "7.10", Decimal("7.10")),
        (UUID, "12345678-1234-5678-1234-567812345678", UUID("12345678-1234-5678-1234-567812345678")),
        (Colour, "red", Colour.RED),
        (Colour, "2", Colour.BLUE),
        (date | None, "null", None),
        (list[int], "[1, 2]", [1, 2]),
        (Any, "7", "7"),
    ],
)
def test_words_of_a_command_line_become_values(annotation: Any, word: str, value: Any) -> None:
    assert taking(annotation).from_words({"value": word}) == {"value": value}


@pytest.mark.parametrize(
    ("annotation", "word"),
    [(int, "x"), (int, "1.5"), (date, "tomorrow"), (datetime, "2026-12-01T04:00"), (list[int], "[" * 100_000)],
)
def test_words_that_are_no_such_value_are_refused_without_them(annotation: Any, word: str) -> None:
    with pytest.raises(UsageError) as caught:
        taking(annotation).from_words({"value": word})

    assert str(caught.value).startswith("shop.take: value must be a")
    assert word not in str(caught.value).removeprefix("shop.take: value must be a")
