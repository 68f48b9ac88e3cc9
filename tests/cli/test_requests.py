"""`sexton trigger --arg`, `sexton requests` and `sexton dead`: jobs on demand, for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sexton import Wish
from tests.support.post_office import PostOffice, open_post_office

from .shell import Done, Inside

SETTINGS = 'database = "sqlite:///post.db"\njobs = ["tests.support.request_jobs"]\n'


@pytest.fixture
def office(inside: Inside) -> Iterator[PostOffice]:
    """A post office in the user's folder."""
    inside.write("sexton.toml", SETTINGS)
    assert inside.sexton("migrate").code == 0
    with open_post_office("sqlite:///post.db") as office:
        yield office


def ok(done: Done) -> str:
    """What it said; it went well."""
    assert (done.code, done.err) == (0, "")
    return done.out


def bury(office: PostOffice, *names: str) -> list[int]:
    """A dead letter for each of these names."""
    numbers = [office.app.enqueue("post.fail", wish=Wish(attempts=1), name=name) for name in names]
    office.work()
    assert {row.id for row in office.rows("dead_requests")} >= {*numbers}
    return numbers


def test_trigger_with_arguments_and_wishes(inside: Inside, office: PostOffice) -> None:
    said = ok(
        inside.sexton(
            *("trigger", "post.write", "--arg", "name=a=b", "--arg", "day=2026-12-01"),
            *("--priority", "-5", "--unique", "k", "--serial", "s", "--attempts", "2", "--delay", "10m"),
        )
    )
    (row,) = office.rows()

    assert said == f"post.write: request {row.id} waits; see `sexton requests`\n"
    assert json.loads(row.args) == {"name": "a=b", "day": "2026-12-01"}
    assert (row.priority, row.unique_key, row.state) == (-5, "k", "delayed")
    assert (row.serial_key, row.attempts) == ("s", 2)
    assert "@" in row.asked_by
    assert f"request {row.id} " in ok(inside.sexton("trigger", "post.write", "--unique", "k"))


def test_what_was_triggered_runs_and_history_names_its_request(inside: Inside, office: PostOffice) -> None:
    ok(inside.sexton("trigger", "post.write", "--arg", "name=7"))
    (number,) = office.states()
    office.work()

    assert office.names() == ["7"]
    (run,) = office.runs()
    assert run.request == number
    assert f"none: request {number} of " in ok(inside.sexton("show", str(run.id)))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("post.write", "--arg", "nam=x"), "there is no argument 'nam'; did you mean name"),
        (("post.write", "--arg", "day=tomorrow"), "post.write: day must be a date or nothing"),
        (("post.write", "--arg", "secret"), "--arg 'secret': write NAME=VALUE"),
        (("post.write", "--arg", "name=a", "--arg", "name=b"), "--arg name is given twice"),
        (("post.wait",), "post.wait: folder must be given"),
        (("post.write", "--delay", "soon"), "wish: delay"),
        (("post.plain", "--arg", "name=x"), "post.plain is not on demand; it takes none of --arg, --delay, --priority"),
        (("post.writ",), "no job named 'post.writ'"),
    ],
)
def test_what_trigger_refuses(inside: Inside, office: PostOffice, words: tuple[str, ...], said: str) -> None:
    done = inside.sexton("trigger", *words)

    assert done.code == 2
    assert said in done.line
    assert office.rows() == []


@pytest.mark.parametrize(
    "words", [("run",), ("run", "--dry-run"), ("test",), ("pause", "--reason", "x"), ("reschedule", "every 1h")]
)
def test_commands_about_runs_and_schedules_name_trigger(
    inside: Inside, office: PostOffice, words: tuple[str, ...]
) -> None:
    done = inside.sexton(words[0], "post.write", *words[1:])

    assert done.code == 2
    assert "post.write is on demand; ask for it: sexton trigger post.write --arg NAME=VALUE" in done.line


def test_jobs_and_check_know_jobs_on_demand(inside: Inside, office: PostOffice) -> None:
    lines = {line.split()[0]: line for line in ok(inside.sexton("jobs")).splitlines()}
    assert "on demand" in lines["post.write"]
    assert "by hand" in lines["post.plain"]
    assert {one["name"] for one in json.loads(ok(inside.sexton("jobs", "--json"))) if one["on_demand"]} >= {
        "post.write"
    }

    checked = inside.sexton("check", "--json")
    found = {one["about"]: one for one in json.loads(checked.out) if one["about"].startswith("post.")}
    assert found["post.write"]["text"] in ("on demand, with [name], [day]", "its statements work here")
    assert found["post.broken"]["level"] == "wrong"
    assert "this module is broken today" in found["post.broken"]["text"]


def test_a_function_to_which_nothing_can_be_carried_is_wrong(inside: Inside) -> None:
    inside.write("odd.py", "from sexton import Job, OnDemand\n\ndef work(run, file: open): ...\n")
    inside.write("odd.py", (inside.folder / "odd.py").read_text() + 'a = Job("a.b", work=work, on_demand=OnDemand())\n')
    inside.write("sexton.toml", 'database = "sqlite:///post.db"\njobs = ["odd.py"]\n')

    done = inside.sexton("check", "--offline")

    assert done.code == 2
    assert "file: open cannot be carried" in done.out


def test_requests_by_job(inside: Inside, office: PostOffice) -> None:
    assert ok(inside.sexton("requests")) == "nothing waits\n"
    bury(office, "x")
    office.app.enqueue_many("post.write", [{}] * 3)
    office.app.enqueue("post.write", wish=Wish(delay="1h"))
    office.app.enqueue("post.finish", wish=Wish(serial="s"))

    said = ok(inside.sexton("requests")).splitlines()
    assert said[0].split() == ["JOB", "READY", "OLDEST", "DELAYED", "BLOCKED", "SUBMITTED", "RUNNING", "DEAD"]
    assert [line.split()[0] for line in said[1:]] == ["post.write", "post.fail", "post.finish"]
    by_job = {one["job"]: one for one in json.loads(ok(inside.sexton("requests", "--json")))}
    assert (by_job["post.write"]["ready"], by_job["post.write"]["delayed"]) == (3, 1)
    assert by_job["post.write"]["oldest"] is not None
    assert (by_job["post.finish"]["blocked"], by_job["post.fail"]["dead"]) == (1, 1)


def test_requests_of_a_job_show_arguments_only_where_it_says_so(inside: Inside, office: PostOffice) -> None:
    office.app.enqueue("post.write", wish=Wish(unique="k", delay="1h"), name="a secret")
    office.app.enqueue("post.wait", folder="shown")

    hidden = ok(inside.sexton("requests", "list", "--job", "post.write"))
    assert "unique k" in hidden
    assert "begins in" in hidden
    assert "secret" not in hidden + ok(inside.sexton("requests", "list", "--job", "post.write", "--json"))
    assert '{"folder":"shown"}' in ok(inside.sexton("requests", "list", "--job", "post.wait"))


def test_requests_are_cancelled(inside: Inside, office: PostOffice) -> None:
    number = office.app.enqueue("post.write")

    assert f"request {number}: taken back" in ok(inside.sexton("requests", "cancel", str(number)))
    assert office.rows() == []
    assert "cancelled by " in str(office.runs()[0].error)
    again = inside.sexton("requests", "cancel", str(number))
    assert (again.code, again.line) == (1, f"sexton: there is no request {number} any more")
    assert inside.sexton("requests", "cancel").code == 2
    assert inside.sexton("requests", "list", "7").code == 2


def test_dead_letters_are_listed_and_shown_without_their_arguments(inside: Inside, office: PostOffice) -> None:
    assert ok(inside.sexton("dead")) == "no dead letters\n"
    first, second = bury(office, "a secret", "another secret")

    listed = ok(inside.sexton("dead"))
    assert [line.split()[:2] for line in listed.splitlines()[::2]] == [
        [str(second), "post.fail"],
        [str(first), "post.fail"],
    ]
    assert "failed: RuntimeError: as ever" in listed
    shown = ok(inside.sexton("dead", "show", str(first)))
    assert "in fail" in shown
    assert "arguments hidden" in shown
    both = json.loads(ok(inside.sexton("dead", "show", str(first), str(second), "--json")))
    assert [(one["id"], one["args"], one["reason"]) for one in both] == [
        (first, None, "failed"),
        (second, None, "failed"),
    ]
    assert "secret" not in listed + shown


def test_dead_letters_by_job_error_and_time(inside: Inside, office: PostOffice) -> None:
    (number,) = bury(office, "x")

    for words, there in (
        (("--job", "post.fail"), True),
        (("--job", "post.write"), False),
        (("--error", "as ever"), True),
        (("--error", "%"), False),
        (("--since", "2020-01-01T00:00Z"), True),
        (("--before", "2020-01-01T00:00Z"), False),
        ((), True),
    ):
        found = json.loads(ok(inside.sexton("dead", "list", *words, "--json")))
        assert [one["id"] for one in found] == ([number] if there else []), words


def test_replay_asks_once_more_under_a_new_number(inside: Inside, office: PostOffice) -> None:
    first, second = bury(office, "first", "second")

    said = ok(inside.sexton("dead", "replay", str(first)))
    (row,) = office.rows()

    assert said == f"request {row.id} waits in its place\n"
    assert row.id > second
    assert (row.attempt, row.attempts, row.crashes, json.loads(row.args)) == (1, 1, 0, {"name": "first"})
    assert [dead.id for dead in office.rows("dead_requests")] == [second]


def test_replay_goes_slowly_if_asked_to(inside: Inside, office: PostOffice) -> None:
    """S8: what an outage left behind does not run its receiver over."""
    bury(office, *"abcd")

    said = ok(inside.sexton("dead", "replay", "--all", "--per-minute", "2"))

    rows = office.rows()
    assert [row.state for row in rows] == ["ready", "delayed", "delayed", "delayed"]
    rests = [round((row.run_at - rows[0].created_at).total_seconds() / 30) for row in rows[1:]]
    assert rests == [1, 2, 3]
    assert f"4 requests wait in their place, {rows[0].id} to {rows[3].id}, the last in 2 min" in said
    assert office.rows("dead_requests") == []


def test_nothing_is_replayed_when_one_cannot_be(inside: Inside, office: PostOffice) -> None:
    (number,) = bury(office, "x")
    table = office.rows("dead_requests")

    missing = inside.sexton("dead", "replay", str(number), "10000")
    assert missing.code == 2
    assert "there is no such dead letter 10000; nothing was changed" in missing.line
    for words in ((), ("--per-minute", "5")):
        which = inside.sexton("dead", "replay", *words)
        assert which.code == 2
        assert "say which: sexton dead replay NUMBER" in which.line
    assert office.rows("dead_requests") == table
    assert office.rows() == []


def test_discard(inside: Inside, office: PostOffice, tmp_path: Path) -> None:
    first, second, third = bury(office, "a", "b", "c")

    assert ok(inside.sexton("dead", "discard", str(first))) == "1 dead letter discarded\n"
    assert inside.sexton("dead", "discard", "--job", "post.write").code == 1
    assert inside.sexton("dead", "discard").code == 2
    assert {row.id for row in office.rows("dead_requests")} == {second, third}
    assert ok(inside.sexton("dead", "discard", "--all")) == "2 dead letters discarded\n"
    assert inside.sexton("dead", "replay", "--all").code == 1
