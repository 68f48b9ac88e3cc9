"""What can be set, where it is read from, and every way of getting it wrong."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from sexton.config import JobSettings, RetentionSettings, RunSettings, Settings, load, read_into
from sexton.errors import SettingsError
from sexton.setting_fields import leaves, rule_of

from .conftest import Place


def test_nothing_has_to_be_set(place: Place) -> None:
    settings = place.read()

    assert settings == Settings()
    assert settings.database == "sqlite:///sexton.db"
    assert settings.run == RunSettings("10s", "3s", "12ms", 500, "250ms", "5s")
    assert settings.retention == RetentionSettings("90d", "365d", "400d", "30d", "400d")


def test_defaults_pass_the_checks_that_start_up_spares_them() -> None:
    def given(table: dict[str, object]) -> dict[str, object]:
        """What a file could say: TOML has no word for nothing."""
        plain = {key: value for key, value in table.items() if value is not None}
        return {key: given(value) if isinstance(value, dict) else value for key, value in plain.items()}

    assert read_into(Settings, given(asdict(Settings())), where="defaults") == Settings()


@pytest.mark.parametrize("group", [Settings, JobSettings])
def test_every_setting_has_a_meaning(group: type) -> None:
    for path, declared, _ in leaves(group):
        assert rule_of(declared).meaning, path


def test_everything_can_be_set_in_the_file(place: Place) -> None:
    """BJ-23.1, BJ-23.6"""
    settings = place.read("""
        database = "postgresql+psycopg://shop@db/shop"
        packs = ["marketplace", "invoicing"]
        jobs = ["shop.jobs", "jobs/nightly.py"]
        timezone = "Europe/Berlin"
        [run]
        lease = "1m"
        batch_rows = 100000
        [retention]
        effects = "30d"
        [job."marketplace.expire_orders"]
        enabled = false
        schedule = "every 5m"
        timezone = "Asia/Jerusalem"
        timeout = "5m"
        priority = -1
        [pack.marketplace.tables]
        licenses = "vendor_licences"
    """)

    assert settings.packs == ("marketplace", "invoicing")
    assert settings.run == RunSettings(lease="1m", batch_rows=100_000)
    assert settings.job == {
        "marketplace.expire_orders": JobSettings(False, "every 5m", "Asia/Jerusalem", "5m", priority=-1)
    }
    assert settings.pack == {"marketplace": {"tables": {"licenses": "vendor_licences"}}}


def test_the_later_source_wins_key_by_key(place: Place) -> None:
    """BJ-23.2, BJ-23.6"""
    settings = place.read(
        'timezone = "Asia/Tokyo"\npacks = ["ledger"]\n[run]\nlease = "20s"\nrenew = "4s"\nbatch_rows = 1',
        "SEXTON_RUN__RENEW=5s\nSEXTON_RUN__BATCH_ROWS=2\nSEXTON_TIMEZONE=Asia/Seoul",
        SEXTON_RUN__BATCH_ROWS="3",
        SEXTON_PACKS="marketplace, invoicing",
    )

    assert settings.timezone == "Asia/Seoul"
    assert settings.packs == ("marketplace", "invoicing")
    assert settings.run == RunSettings(lease="20s", renew="5s", batch_rows=3)


def test_values_need_to_fit_together_only_at_the_end(place: Place) -> None:
    assert place.read('[run]\nlease = "5s"\nstatement_timeout = "2s"', SEXTON_RUN__RENEW="1s").run.renew == "1s"


def test_sexton_config_names_the_file_and_its_folder_the_env_file(place: Place) -> None:
    (place.folder / "etc").mkdir()
    (place.folder / "etc/night.toml").write_text('packs = ["ledger"]')
    (place.folder / "etc/.env").write_text("SEXTON_TIMEZONE=Asia/Seoul\nSEXTON_CONFIG=etc/night.toml\n")

    by_name = place.read('packs = ["storefront"]', SEXTON_CONFIG="etc/night.toml")

    assert (by_name.packs, by_name.timezone) == (("ledger",), "Asia/Seoul")
    assert load(Path("etc/night.toml"), environ={"SEXTON_CONFIG": "etc/night.toml"}) == by_name
    assert load(environ={}, folder=place.folder).packs == ("storefront",)


def test_a_named_file_must_be_there(place: Place) -> None:
    missing = "night.toml: there is no such settings file; `sexton init` writes one"
    assert place.refusal(SEXTON_CONFIG="night.toml") == missing
    assert place.refusal(SEXTON_CONFIG=" ") == (
        "environment: SEXTON_CONFIG is empty; name the settings file, or unset it"
    )
    with pytest.raises(SettingsError) as caught:
        load(Path("night.toml"), environ={})
    assert str(caught.value) == missing


def test_sexton_config_in_the_env_file_would_come_too_late(place: Place) -> None:
    assert place.refusal(env="\nSEXTON_CONFIG=night.toml") == (
        ".env line 2: SEXTON_CONFIG comes too late here; set it in the environment"
    )


def test_files_that_cannot_be_read(place: Place) -> None:
    assert place.refusal(b"\npacks = ['\xff']") == "sexton.toml line 2: not UTF-8; save the file as UTF-8"
    assert place.refusal(env=b"A=\xff") == ".env line 1: not UTF-8; save the file as UTF-8"
    (place.folder / "folder.toml").mkdir()
    assert place.refusal(SEXTON_CONFIG="folder.toml") == "folder.toml: cannot be read: Is a directory"


def test_a_folder_called_env_is_somebody_elses(place: Place) -> None:
    (place.folder / ".env").mkdir()
    assert load(environ={}) == Settings()


def test_a_file_from_windows_is_read(place: Place) -> None:
    assert place.read(b'\xef\xbb\xbftimezone = "Asia/Tokyo"\r\n[run]\r\nbatch_rows = 7\r\n').run.batch_rows == 7


def test_variables_that_are_no_settings_are_left_alone(place: Place) -> None:
    settings = place.read(
        SEXTON_REQUIRE="postgres",
        SEXTON_TEST_SERVER="x",
        SEXTON_SERVICE_HOST="10.0.0.1",
        SEXTON_SERVICE_PORT_HTTP="80",
        SEXTON_PORT="tcp://10.0.0.1:80",
        SEXTON_WEB_PORT_80_TCP_ADDR="10.0.0.1",
        SEXTONS="x",
        PATH="/bin",
    )
    assert settings == Settings()


RETENTION = [
    ("0d", '"0d" is too short; write at least "1d"'),
    ("23h", '"23h" is too short; write at least "1d"'),
    ("-30d", "'-30d' is not a duration (it must not be negative); write for instance"),
    ("30", "'30' is not a duration (the unit is missing); write for instance"),
    ("nan", "'nan' is not a duration; write for instance"),
    ("nand", "'nand' is not a duration; write for instance"),
    ("inf", "'inf' is not a duration; write for instance"),
    ("1e3d", "'1e3d' "),
    ("100000000000d", "'100000000000d' is more than 36500 days; write at most 36500d"),
    ("٣٠d", "is not a duration"),
    ("3 months", "'3 months' has the unknown unit 'months'; months and years are not durations"),
    ("", "the text is empty; give a value, or leave the setting out for its default"),
    ("  ", "the text is empty; give a value, or leave the setting out for its default"),
]


@pytest.mark.parametrize(("value", "wrong"), RETENTION)
def test_c3_retention_that_would_delete_too_much_is_refused(place: Place, value: str, wrong: str) -> None:
    message = place.refusal(f'[retention]\nfailed_runs = "{value}"')
    assert message.startswith("sexton.toml line 2: retention.failed_runs: ")
    assert wrong in message

    message = place.refusal(SEXTON_RETENTION__FAILED_RUNS=value)
    assert message.startswith("environment: SEXTON_RETENTION__FAILED_RUNS: ")
    assert wrong in message

    message = place.refusal(env=f"# ours\nSEXTON_RETENTION__FAILED_RUNS='{value}'")
    assert message.startswith(".env line 2: SEXTON_RETENTION__FAILED_RUNS: ")
    assert wrong in message


@pytest.mark.parametrize("key", ["runs", "failed_runs", "effects", "outbox", "poison"])
def test_c3_every_retention_has_a_least_value(place: Place, key: str) -> None:
    least = "30d" if key == "effects" else "1d"
    assert place.refusal(f'[retention]\n{key} = "1h"') == (
        f'sexton.toml line 2: retention.{key}: "1h" is too short; write at least "{least}"'
    )


def test_c3_what_was_told_is_remembered_as_long_as_messages_are_kept(place: Place) -> None:
    assert place.refusal('[retention]\neffects = "30d"\noutbox = "31d"') == (
        'sexton.toml line 1: retention: effects "30d" must be at least as long as outbox "31d"'
    )


BATCH = [
    ("0", "0 is out of range; write a number from 1 to 100000"),
    ("-5", "-5 is out of range; write a number from 1 to 100000"),
    ("100001", "100001 is out of range; write a number from 1 to 100000"),
    ("9" * 30, "the number is too large; write a number from 1 to 100000"),
    ("0x" + "f" * 6000, "the number is too large; write a number from 1 to 100000"),
    ("nan", "must be a whole number, not the number nan"),
    ("inf", "must be a whole number, not the number inf"),
    ("1e400", "must be a whole number, not the number inf"),
    ("500.0", "must be a whole number, not the number 500.0"),
    ("true", "must be a whole number, not true or false"),
    ('"500"', "must be a whole number, not text"),
    ("[500]", "must be a whole number, not a list"),
    ("{ rows = 500 }", "must be a whole number, not a table"),
    ("2026-01-01", "must be a whole number, not a date or time"),
]


@pytest.mark.parametrize(("value", "wrong"), BATCH)
def test_c4_an_impossible_batch_is_refused(place: Place, value: str, wrong: str) -> None:
    assert place.refusal(f"[run]\n\nbatch_rows = {value}") == f"sexton.toml line 3: run.batch_rows: {wrong}"


@pytest.mark.parametrize("value", ["0", "-5", "100001", "9" * 30])
def test_c4_an_impossible_batch_is_refused_from_the_environment(place: Place, value: str) -> None:
    message = place.refusal(SEXTON_RUN__BATCH_ROWS=value)
    assert message.startswith("environment: SEXTON_RUN__BATCH_ROWS: ")
    assert message.endswith("; write a number from 1 to 100000")


@pytest.mark.parametrize("value", ["nan", "1e3", "5.0", "five", "0x10", "1_000", "٥", "9" * 5000])
def test_c4_what_is_no_whole_number_is_refused_from_the_environment(place: Place, value: str) -> None:
    assert place.refusal(SEXTON_RUN__BATCH_ROWS=value) == (
        "environment: SEXTON_RUN__BATCH_ROWS: must be a whole number, not text"
    )


RUN = [
    ('batch_time = "0ms"', 'run.batch_time: "0ms" is too short; write at least "1ms"'),
    ('batch_time = "251ms"', 'run.batch_time: "251ms" is too long; write at most "250ms"'),
    ('lock_wait = "0s"', 'run.lock_wait: "0s" is too short; write at least "1ms"'),
    ('lease = "2h"', 'run.lease: "2h" is too long; write at most "1h"'),
    ("lease = 10", "run.lease: must be a duration in quotes, not a whole number"),
    (
        'pause_while = "COMMIT; DELETE FROM keep; SELECT false"',  # SEC-8
        "run: pause_while holds more than one statement; write one SELECT that returns one value",
    ),
    (
        'pause_while = "DELETE FROM keep"',
        "run: pause_while is no query; write one SELECT that returns one value",
    ),
    ('renew = "5s"', 'run: renew "5s" must be less than half of lease "10s"'),
    ('lease = "6s"', 'run: renew "3s" must be less than half of lease "6s"'),
    ('statement_timeout = "5001ms"', 'run: statement_timeout "5001ms" must be at most half of lease "10s"'),
]


@pytest.mark.parametrize(("line", "wrong"), RUN)
def test_c4_times_of_a_run_that_cannot_work_are_refused(place: Place, line: str, wrong: str) -> None:
    number = 1 if wrong.startswith("run:") else 2
    assert place.refusal(f"[run]\n{line}") == f"sexton.toml line {number}: {wrong}"


def test_c4_the_last_source_is_named_when_values_do_not_fit_together(place: Place) -> None:
    message = place.refusal('[run]\nlease = "5s"\nstatement_timeout = "2s"', "SEXTON_RUN__BATCH_ROWS=7")
    assert message == '.env: run: renew "3s" must be less than half of lease "5s"'
