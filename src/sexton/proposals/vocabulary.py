"""Words that speak for a table's rows being of no more use one day, and words that speak against it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .family_by_name import each

BUSINESS_WORDS = frozenset(
    each(
        "accounting aggregate agreement announcement appointment approval badge ban benefit billing block budget "
        "calendar certificate checkout complaint compliance consent contract cost coupon course credit daily "
        "discount dispute domain employee exam exercise fee fine food gdpr gift grade history hourly inventory "
        "invitation invite invoice leave legal lesson licence license loyalty maintenance medical meeting "
        "membership meter metric moderation money monthly order patient payment payout payroll permission plan "
        "point policy poll price product promo promotion quota receipt refund rental report review reward role "
        "rollup rule salary sale schedule shift shipment shipping spend statistic stats stock subscription summary "
        "survey suspension tariff tax term therapy training transaction trip usage vehicle vendor visit vote "
        "voucher waiting wallet warehouse warning weekly work workflow"
    )
)
"""What a product is about: with one of these in its name, a table's rows are left to a person."""

MONEY = frozenset(
    each(
        "amount balance budget charge charged commission cost credits currency fee iban invoice invoiced paid "
        "payment payout price refund salary sku spend subscription tax vat"
    )
)
"""Words of columns for which somebody has to account."""

BY_HAND: Mapping[str, frozenset[str]] = {
    "tokens": frozenset(
        each(
            "accepted allowed comment connection connector description integration invited label max name note "
            "notes provider redeemed "
            "title uses"
        )
    ),
    "sessions": frozenset(each("capacity location score teacher title topic trainer")),
    "jobs": frozenset(each("assigned assignee approved approver comment deadline owner reviewer salary title")),
}
"""Words of columns that people fill in."""

CONTENTS = frozenset(each("body content html subject text"))
"""Words of columns that hold what a message said."""

HAPPENINGS = frozenset(each("begin_at begins_at end_date location location_id start_at start_date starts_at venue"))
"""Columns of events that people go to."""

EVENT_STREAM_COLUMNS = frozenset(
    each("aggregate_id aggregate_type aggregate_version stream_id stream_name stream_version")
)
"""Columns of events that are the data themselves."""

TASKS_OF_PEOPLE = frozenset(
    each(
        "assigned_to assignee assignee_id company_id cron cron_expression crontab due_date employer_id project_id "
        "salary schedule title"
    )
)
"""Columns of jobs and tasks that no program does, and of those that stay, as they are done again and again."""

SECRET_COLUMNS = frozenset(
    each(
        "access_token challenge client_id code code_hash device_code digest hashed_token jti nonce otp payload "
        "secret sess session_data session_id session_key session_token state token token_hash token_id user_agent "
        "verifier"
    )
)
"""Columns by which a program finds the row of somebody who comes back."""


LASTING = frozenset(each("api bot deploy device feed key personal registration revocation service"))
"""Tokens of these are valid until somebody takes them back."""

BRIEF = frozenset(
    each("captcha challenge csrf flow idempotence idempotency idempotent login magic nonce otp passcode reset state")
)
"""With these in its name nothing is waited for after a month, whether or not a column says so."""

FILES = re.compile(r"(^|_)(attachment|blob|file|filename)$|(^|_)(file|storage|object|s3|blob)_(id|key|name|path|url)$")
"""Names of columns for what lies outside the database."""

FILES_OF_LOGS = re.compile(r"(^|_)(attachment|file)$")
"""The same in logs, whose other columns may name files that are read, or paths of a web site."""

TECHNICAL = frozenset(
    each(
        "agent args attempts backtrace browser celery duration elapsed error exception headers host hostname http "
        "ip kwargs latency level locked method path payload pid queue referer referrer remote request response "
        "retries severity stack stacktrace trace traceback url worker"
    )
)
"""Words of columns that only programs and those who look after them read."""

BARE = frozenset(("logs", "jobs"))
"""Called so and no more, these need a technical column."""

GONE_ANYWAY = frozenset(("logs", "sessions", "tokens", "temporary data", "signs of life", "locks"))
"""What hangs on rows of these families has no worth of its own."""

_PEOPLE = "account admin anonymous app client customer device external guest member person staff user"
PEOPLE = frozenset(each("account app client customer device guest member session token user"))
"""Of whom programs keep logs, if another word says of what."""

_SIGNING = (
    "2fa access attempt auth authentication authorization authorize backup blacklist blacklisted browser captcha "
    "challenge code confirmation cookie csrf dpop email exchange factor flow forgot forgotten hash id idempotence "
    "idempotency idempotent identity idp invalid jti jwt link login logout lost magic mail mfa nonce oauth oidc "
    "one onetime open openid otp outstanding passcode passkey password phone pin pkce recover recovery refresh "
    "registration relay remember request reset revoked saml security selfservice setting short sign signin signup "
    "sms sso state temp temporary threepid time totp two ui unlock validation verification verify web webauthn "
    "xsrf"
)

BESIDES: Mapping[str, frozenset[str]] = {
    "sessions": frozenset(each(f"{_PEOPLE} {_SIGNING} active api http impersonation php rack server sess signed")),
    "tokens": frozenset(each(f"{_PEOPLE} {_SIGNING}")) - {"external"},
    "logs": frozenset(
        each(
            "access anonymous api app application attempt auth authentication background blocked bounced cache "
            "callback checkin client connection courier crash crawler cron debug delivery deprecation email error "
            "exception execution failed failure fetch graphql health hook http https import inbound incoming "
            "integration internal job limit login mail message middleware monitor monitoring notification outbound "
            "outgoing page ping probe query queue rate raw remote render request response rest rpc scheduler "
            "script search sent server service signin site skipped slow sms smtp sql sync system task traffic url "
            "view web webhook worker"
        )
    ),
    "jobs": frozenset(
        each(
            "async background batch celery chord cron delayed delivery django email event export failed good group "
            "hook import inbound incoming index integration job mail message notification outbound outbox outgoing "
            "push q queue queued resque result rq scheduled search sidekiq sms solid sync system task "
            "transactional unique webhook worker"
        )
    ),
    "notifications": frozenset(each(f"{_PEOPLE} app database in inbox mobile push system web")),
    "signs of life": frozenset(
        each(
            f"{_PEOPLE} address daemon device ip known last login node online presence process proxy server service "
            "web worker"
        )
    ),
    "locks": frozenset(
        each(
            f"{_PEOPLE} advisory api cache cron daemon distributed job leader login process rate request scheduler "
            "server task thread worker"
        )
    ),
    "temporary data": frozenset(
        each(
            "api application cache cached data db django fragment http json key page query rate render response "
            "result run sql state store task url value view web"
        )
    ),
    "reservations": frozenset(each(f"{_PEOPLE} basket cart checkout shopping")),
}
"""Of a family: words before the last one with which its rows are still what the family says. Others need a person."""
