"""Fault X1: a password is nowhere to be seen: not in a URL that is shown, a repr, an error, a hash."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sexton.config import Settings, load, read_into, setting, shown
from sexton.errors import SettingsError

from .conftest import Place

CANARY = "c4n4ry"

SHOWN = [
    ("sqlite:///sexton.db", "sqlite:///sexton.db"),
    ("sqlite://", "sqlite://"),
    ("sqlite:////srv/a@b/sexton.db?mode=ro", "sqlite:////srv/a@b/sexton.db?mode=ro"),
    ("postgresql://db/shop", "postgresql://db/shop"),
    ("postgresql://db:5432/shop", "postgresql://db:5432/shop"),
    ("postgresql://shop@db:5432/shop", "postgresql://shop@db:5432/shop"),
    ("postgresql+psycopg://shop:c4n4ry@db:5432/shop", "postgresql+psycopg://shop:***@db:5432/shop"),
    ("postgresql://shop:@db/shop", "postgresql://shop:***@db/shop"),
    ("postgresql://:c4n4ry@db/shop", "postgresql://:***@db/shop"),
    ("postgresql://shop:c4n4ry@c4n4ry@db/shop", "postgresql://shop:***@db/shop"),
    ("postgresql://shop:a/c4n4ry@db/shop", "postgresql://shop:***@db/shop"),
    ("postgresql://shop:a?c4n4ry@db/shop", "postgresql://shop:***@db/shop"),
    ("postgresql://shop:a#c4n4ry@db/shop", "postgresql://shop:***@db/shop"),
    ("postgresql://shop:a:c4n4ry@db/shop", "postgresql://shop:***@db/shop"),
    ("postgresql://shop:%63c4n4ry@db/shop", "postgresql://shop:***@db/shop"),
    ("postgresql://db/shop?user=a&password=c4n4ry", "postgresql://db/shop?user=a&password=***"),
    ("postgresql://db/shop?PASSWORD=c4n4ry", "postgresql://db/shop?PASSWORD=***"),
    ("postgresql://db/shop?p%61ssword=c4n4ry", "postgresql://db/shop?p%61ssword=***"),
    (
        "postgresql://db/shop?sslmode=require&sslpassword=c4n4ry",
        "postgresql://db/shop?sslmode=require&sslpassword=***",
    ),
    ("postgresql://db/shop?api_key=c4n4ry;token=c4n4ry", "postgresql://db/shop?api_key=***;token=***"),
    ("host=db user=shop password=c4n4ry", "***"),
    ("shop:c4n4ry@db/shop", "***"),
    ("", "***"),
]


@pytest.mark.parametrize(("url", "expected"), SHOWN)
def test_x1_a_url_is_shown_without_its_secrets(url: str, expected: str) -> None:
    assert shown(url) == expected


@given(st.text().map(lambda text: text + CANARY), st.text(st.characters(exclude_characters="@")))
def test_x1_no_character_of_a_password_lets_it_out(password: str, rest: str) -> None:
    assert CANARY not in shown(f"postgresql://shop:{password}@db/shop{rest.replace(CANARY, '')}")


def test_x1_settings_do_not_show_secrets(place: Place) -> None:
    settings = place.read(
        f'database = "postgresql://shop:{CANARY}@db/shop"\n[pack.mail]\nlogin = "{CANARY}"',
    )
    assert CANARY in settings.database
    assert CANARY not in f"{settings!r} {settings}"


LEAKS = [
    f'database = "postgress://shop:{CANARY}@db/shop"',
    f'database = "shop:{CANARY}@db/shop"',
    f'database = "host=db password={CANARY}"',
    f'database = ["postgresql://shop:{CANARY}@db/shop"]',
    f'database = "postgresql://shop:{CANARY}\\n@db/shop"',
    f'database = "postgresql://shop:{CANARY}@db/shop',
    f"database = postgresql://shop:{CANARY}@db/shop",
    f'database = "postgresql://shop:{CANARY}@db/shop"\ndatabase = "postgresql://shop:{CANARY}@db/shop"',
    f'database = "postgresql://shop:{CANARY}\\q@db/shop"',
    f'databse = "postgresql://shop:{CANARY}@db/shop"',
    f'timezone = "postgresql://shop:{CANARY}@db/shop"',
    f'packs = ["postgresql://shop:{CANARY}@db/shop"]',
    f'packs = "postgresql://shop:{CANARY}@db/shop"',
    f'jobs = ["postgresql://shop:{CANARY}@db/shop"]',
    f'[run]\nlease = "postgresql://shop:{CANARY}@db/shop"',
    f'[run]\nbatch_rows = "{CANARY}"',
    f'[job."a.b"]\nschedule = "postgresql://shop:{CANARY}@db/shop"',
    f'[pack]\nmail = "{CANARY}"',
]


@pytest.mark.parametrize("toml", LEAKS)
def test_x1_no_refusal_repeats_what_may_be_a_password(place: Place, toml: str) -> None:
    assert CANARY not in place.refusal(toml)


@pytest.mark.parametrize("name", ["SEXTON_DATABASE", "SEXTON_DATABSE", "SEXTON_TIMEZONE", "SEXTON_RUN__LEASE"])
@pytest.mark.parametrize("url", ["oracle://shop:{}@db/shop", "shop:{}@db/a?", "x y://{}", "shop:{}\n@db"])
def test_x1_no_refused_variable_is_repeated_that_may_be_a_url(place: Place, name: str, url: str) -> None:
    value = url.format(CANARY)
    assert CANARY not in place.refusal(**{name: value})
    assert CANARY not in place.refusal(env=f"{name}={value}")
    assert CANARY not in place.refusal(env=f'{name}="{value}')


def test_x1_the_traceback_of_a_refusal_holds_no_value(tmp_path: Path) -> None:
    file = tmp_path / "sexton.toml"
    file.write_text(f'timezone = "postgresql://shop:{CANARY}@db/shop"')
    try:
        load(file, environ={})
    except SettingsError:
        assert CANARY not in traceback.format_exc()
    else:
        pytest.fail("not refused")


@dataclass(frozen=True, slots=True)
class Mail:
    """Options with a secret among them."""

    host: str = setting("localhost", "where mail is handed over")
    login: str = setting("", "token for it", secret=True)


def test_x1_a_pack_can_declare_a_secret() -> None:
    mail = read_into(Mail, {"login": CANARY}, where="sexton.toml: pack.mail")
    assert mail.login == CANARY
    assert repr(mail) == "Mail(host='localhost')"
    assert "database" not in repr(Settings())
