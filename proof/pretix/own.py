"""One of pretix's own clean-ups, by its own code.  own.py NAME: in the database of its settings; prove.py runs it.

Where pretix also sends something (mail, invoice, web hook), only the sending is stubbed; what happens to rows is not.
"""

import sys
from contextlib import ExitStack
from unittest.mock import patch

import django
from django.core.management import call_command
from django.utils.module_loading import import_string
from django_scopes import scopes_disabled

S = "pretix.base.services."
NO_SENDING = [
    S + "mail.mail_send_task.apply_async",
    S + "invoices.transmit_invoice.apply_async",
    "pretix.api.webhooks.send_webhook.apply_async",
]


def periodic(name):
    """python -m pretix runperiodic --tasks NAME"""

    def run():  # as runperiodic does, but a failure is not swallowed
        from pretix.base.signals import periodic_task

        import_string(name)(signal=periodic_task, sender=None)

    return run


def cleartokens():
    """python -m pretix cleartokens"""
    call_command("cleartokens")


def cleartokens_refresh():
    """the same with REFRESH_TOKEN_EXPIRE_SECONDS = 30 days (pretix leaves it unset, so refresh tokens stay)"""
    from oauth2_provider.settings import oauth2_settings

    with patch.object(oauth2_settings, "REFRESH_TOKEN_EXPIRE_SECONDS", 30 * 24 * 3600):
        call_command("cleartokens")


OWN = {
    "carts": periodic(S + "cleanup.clean_cart_positions"),
    "cached_files": periodic(S + "cleanup.clean_cached_files"),
    "cached_tickets": periodic(S + "cleanup.clean_cached_tickets"),
    "sessions": periodic(S + "cleanup.clearsessions"),
    "sso_grants": periodic(S + "cleanup.clear_oidc_data"),
    "login_sources": periodic(S + "cleanup.clear_old_login_sources"),
    "webhook_calls": periodic("pretix.api.signals.cleanup_webhook_logs"),
    "api_calls": periodic("pretix.api.signals.cleanup_api_logs"),
    "mails": periodic(S + "mail.delete_old_emails"),
    "staff_sessions": periodic(S + "auth.close_inactive_staff_sessions"),
    "mails_in_flight": periodic(S + "mail.retry_stuck_inflight_mails"),
    "invoices_in_flight": periodic(S + "invoices.retry_stuck_invoices"),
    "scheduled_mails": periodic("pretix.plugins.sendmail.signals.sendmail_run_rules"),
    "orders": periodic(S + "orders.expire_orders"),
    "sync_in_flight": periodic(S + "datasync.periodic_reset_in_flight"),
    "webhook_retries": periodic("pretix.api.webhooks.schedule_webhook_retries_on_celery"),
    "refresh_tokens": cleartokens_refresh,  # revoked and expired ones, then all that cleartokens does
    "tokens": cleartokens,  # access tokens, id tokens, grants
}

if __name__ == "__main__":
    django.setup()
    with ExitStack() as stack, scopes_disabled():
        for target in NO_SENDING:
            stack.enter_context(patch(target))
        try:
            OWN[sys.argv[1]]()
        except Exception as error:
            sys.exit(f"{type(error).__name__}: {str(error).splitlines()[0][:200]}")
