"""Notifications, password resets and unverified accounts that only go (ORA-NTF.2, ORA-PWD, ORA-USR)."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from sexton import Counts
from sexton.packs.storefront.options import StorefrontOptions
from tests.support.storefront import Storefront, open_storefront


def test_ora_ntf_2_read_notifications_older_than_thirty_days_go_and_unread_ones_stay(shop: Storefront) -> None:
    """ORA-NTF.2: one exactly 30 days old stays."""
    shop.notification(1, created="2026-05-16 01:59:59.999999")
    shop.notification(2, created="2026-05-16 02:00")
    shop.notification(3, created="2025-01-01", read=False)
    shop.notification(4, created="2026-06-14")

    run = shop.run("notifications", at="2026-06-15 02:00")

    assert run.total == Counts(picked=1, changed=1)
    assert shop.ids(shop.own.notifications) == [2, 3, 4]


def test_ora_pwd_a_reset_stays_a_day_so_that_its_link_can_say_it_is_too_late(shop: Storefront) -> None:
    """ORA-PWD: `expires_at` a day past; used ones go at once, and one that is valid stays."""
    shop.reset(1, expires="2026-06-14 03:59:59")
    shop.reset(2, expires="2026-06-14 04:00")
    shop.reset(3, expires="2026-06-15 05:00", used="2026-06-15 03:59:59")
    shop.reset(4, expires="2026-06-15 05:00")

    run = shop.run("resets", at="2026-06-15 04:00")

    assert {step: counts.changed for step, counts in run.steps.items()} == {"expired": 1, "used": 1}
    assert shop.ids(shop.own.password_resets) == [2, 4]
    assert shop.run("resets", at="2026-06-15 04:00").total == Counts()


def test_ora_usr_accounts_never_verified_go_after_thirty_days(shop: Storefront) -> None:
    """ORA-USR: with their notifications and resets; verified ones and younger ones stay."""
    shop.user(1, verified=False, created="2026-05-01 02:59")
    shop.user(2, verified=False, created="2026-05-02 03:00")
    shop.user(3, verified=True, created="2025-01-01")
    shop.notification(1, created="2026-05-01", user=1)
    shop.reset(1, expires="2026-07-01", user=1)
    shop.notification(2, created="2026-05-30", user=3)

    run = shop.run("users", at="2026-06-01 03:00")

    assert (run.state, run.total.changed, run.total.also) == (
        "succeeded",
        1,
        {"notifications": 1, "password_resets": 1},
    )
    assert shop.ids(shop.own.users) == [2, 3]
    assert shop.ids(shop.own.notifications) == [2]
    assert shop.run("users", at="2026-06-01 03:00").total == Counts()


def test_ora_usr_a_verification_that_was_sent_again_starts_the_clock_anew(shop: Storefront) -> None:
    """ORA-USR"""
    shop.user(1, verified=False, created="2026-01-01", sent="2026-05-20")
    shop.user(2, verified=False, created="2026-01-01", sent="2026-04-20")

    shop.run("users", at="2026-06-01 03:00")

    assert shop.ids(shop.own.users) == [1]


def test_ora_usr_an_account_on_which_something_hangs_stays(engine: Engine) -> None:
    """ORA-USR: orders always; reviews and tickets by the option `user_guards`."""
    shop = open_storefront(engine, user_guards=("reviews.author",))
    for number in (1, 2, 3):
        shop.user(number, verified=False, created="2026-01-01")
    shop.order(1, user=1)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE reviews (author BIGINT)"))
        connection.execute(text("INSERT INTO reviews VALUES (2)"))

    shop.run("users", at="2026-06-01 03:00")

    assert shop.ids(shop.own.users) == [1, 2]


@pytest.mark.parametrize("wrong", ["reviews", "reviews.", "a.b.c.d", "reviews.user_id; DROP TABLE users"])
def test_a_guard_that_is_no_column_is_refused(wrong: str) -> None:
    """ORA-USR"""
    with pytest.raises(ValueError, match=r'write "reviews.user_id"'):
        StorefrontOptions(user_guards=(wrong,)).check()


def test_dry_runs_of_all_that_only_goes_change_nothing_and_predict(shop: Storefront) -> None:
    """ORA-BP.3"""
    shop.user(1, verified=False, created="2026-01-01")
    shop.notification(1, created="2026-01-01", user=1)
    shop.reset(1, expires="2026-01-01", user=1)
    before = shop.dump()

    for name in ("notifications", "resets", "users"):
        predicted = shop.preview(name)
        assert shop.dump() == before
        assert predicted.total.picked > 0
    predicted = shop.preview("users")

    assert shop.run("users").steps == predicted.steps
