"""Seed rows for every clean-up: well before, just before, just after the cutoff, NULLs, excluded ones, children.

seed.py [--poison]: in the database of pretix's settings; prove.py runs it. Times are relative to now.
--poison adds rows at which the application itself stops or takes another way (ProtectedError, unique violation).
"""

import sys
import uuid
from datetime import date, timedelta
from decimal import Decimal

import django
from django.apps import apps
from django.db import connection, transaction
from django.utils.timezone import now
from django_scopes import scopes_disabled

django.setup()
M = {f"{m._meta.app_label}.{m.__name__}": m for m in apps.get_models()}
D, H, MI = (lambda n: timedelta(days=n)), (lambda n: timedelta(hours=n)), (lambda n: timedelta(minutes=n))
HOUR = H(1)
POISON = "--poison" in sys.argv


def B(name):  # noqa: N802
    """A model of pretix itself."""
    return M[f"pretixbase.{name}"]


def A(name):  # noqa: N802
    """A model of pretix's API."""
    return M[f"pretixapi.{name}"]


def mk(model, _after=None, **values):
    """One row by bulk_create (no save() magic, no signals); _after: columns set by UPDATE, past auto_now."""
    obj = model._base_manager.bulk_create([model(**{**values, **(_after or {})})])[0]
    if _after:
        model._base_manager.filter(pk=obj.pk).update(**_after)
    return obj


def around(keep, step=HOUR):
    """(label, time): well before, just before, just after the cutoff now - keep."""
    return [
        ("well-before", NOW - keep - D(100)),
        ("just-before", NOW - keep - step),
        ("just-after", NOW - keep + step),
        ("fresh", NOW - min(step, keep) / 2 if keep else NOW + D(30)),
    ]


with scopes_disabled(), transaction.atomic():
    NOW = now()
    # ---- the surroundings -------------------------------------------------------------------------------------
    user = B("User").objects.create_user("staff@example.org", "x")
    org = B("Organizer").objects.create(name="Org", slug="org")
    channel = org.sales_channels.get(identifier="web")

    def event(slug, **kw):
        return B("Event").objects.create(
            organizer=org,
            name=slug,
            slug=slug,
            date_from=NOW + D(60),
            currency="EUR",
            plugins="pretix.plugins.sendmail",
            live=True,
            **kw,
        )

    ev, ev_manual, ev_dead = event("auto"), event("manual"), event("notlive")
    B("Event").objects.filter(pk=ev_dead.pk).update(live=False)
    ev_manual.settings.set("payment_term_expire_automatically", False)
    item = B("Item").objects.create(event=ev, name="Ticket", default_price=10)
    question = B("Question").objects.create(event=ev, question="Q", type="M", identifier="Q1")
    question2 = B("Question").objects.create(event=ev, question="Q2", type="S", identifier="Q2")
    option = question.options.create(answer="yes", identifier="O1")
    customer = B("Customer").objects.create(
        organizer=org, identifier="CUST1", email="c@example.org", password="x", name_cached="C"
    )

    serial = iter(range(1, 10**6))

    def order(code, e=None, **kw):
        kw = {"status": "p", "expires": NOW + D(9), "datetime": NOW - D(30), "_after": None, **kw}
        return mk(
            B("Order"),
            code=code,
            event=e or ev,
            organizer=org,
            email=f"{code}@example.org",
            total=Decimal("10"),
            sales_channel=channel,
            locale="en",
            secret=f"s{code}",
            internal_secret=f"i{code}",
            **kw,
        )

    base = order("BASE")

    def position(o, n=1):
        i = next(serial)
        return mk(
            B("OrderPosition"),
            order=o,
            organizer=org,
            item=item,
            price=Decimal("10"),
            positionid=n,
            tax_rate=Decimal(0),
            tax_value=Decimal(0),
            secret=f"ps{i}",
            web_secret=f"ws{i}",
            pseudonymization_id=f"PS{i:08d}",
        )

    pos = position(base)

    # ---- 1/2 carts, 3 checkout sessions, 4 invoice addresses: 14 days ------------------------------------------
    K = D(14)

    def cart(cart_id, expires, addon_to=None):
        return mk(
            B("CartPosition"),
            cart_id=cart_id,
            event=ev,
            item=item,
            price=Decimal("10"),
            datetime=NOW - D(200),
            expires=expires,
            addon_to=addon_to,
            tax_rate=Decimal(0),
        )

    def answered(**kw):
        qa = mk(B("QuestionAnswer"), question=question, answer="yes", **kw)
        qa.options.add(option)
        mk(B("QuestionAnswer"), question=question2, answer="text", **kw)

    for label, t in around(K):
        b = cart(f"base-{label}", t)
        answered(cartposition=b)
        a = cart(f"base-{label}", t, addon_to=b)
        answered(cartposition=a)  # add-on, same fate
        cart(f"plain-{label}", t)
        # an old add-on below a base that is alive: only the add-on goes
        alive = cart(f"alive-{label}", NOW + H(1))
        cart(f"alive-{label}", t, addon_to=alive)
        # checkout session without a cart; with answers and an address of its own (both go along)
        cs = mk(
            B("CheckoutSession"),
            event=ev,
            cart_id=f"nocart-{label}",
            sales_channel=channel,
            session_data={},
            _after={"created": t},
        )
        answered(checkoutsession=cs)
        mk(
            B("InvoiceAddress"),
            checkout_session=cs,
            company=f"of-session-{label}",
            _after={"last_modified": NOW - H(2)},
        )
        # with a cart that is alive: stays; with a cart that goes in the same run: goes
        cs = mk(
            B("CheckoutSession"),
            event=ev,
            cart_id=f"alive-{label}",
            sales_channel=channel,
            session_data={},
            _after={"created": t},
        )
        mk(
            B("InvoiceAddress"), checkout_session=cs, company=f"of-alive-session-{label}", _after={"last_modified": t}
        )  # goes without it
        mk(
            B("CheckoutSession"),
            event=ev,
            cart_id=f"base-{label}",
            sales_channel=channel,
            customer=customer,
            session_data={},
            _after={"created": t},
        )
        mk(B("InvoiceAddress"), company=f"free-{label}", _after={"last_modified": t})
        mk(B("InvoiceAddress"), company=f"customer-{label}", customer=customer, _after={"last_modified": t})
        mk(B("InvoiceAddress"), company=f"order-{label}", order=order(f"IA{next(serial)}"), _after={"last_modified": t})
    cart(None, NOW + H(1))  # to which no checkout session belongs
    if POISON:
        b = cart("poison-protected", NOW - D(20))
        cart("poison-protected", NOW + H(3), addon_to=b)

    # ---- 5 cached files: a deadline, unless a mail that may still be sent has it attached -----------------------
    def mail(subject, status, _after=None, **kw):
        return mk(
            B("OutgoingMail"),
            status=status,
            organizer=org,
            subject=subject,
            body_plain="b",
            sender="s@example.org",
            recipient_count=1,
            to=["t@example.org"],
            _after=_after,
            **kw,
        )

    for label, t in around(D(0)):
        mk(
            B("CachedFile"),
            id=uuid.uuid5(uuid.NAMESPACE_URL, f"plain-{label}"),
            filename=f"plain-{label}",
            type="x",
            expires=t,
            date=t,
        )
        for status in ("queued", "inflight", "awaiting_retry", "failed", "sent", "withheld", "aborted", "bounced"):
            f = mk(
                B("CachedFile"),
                id=uuid.uuid5(uuid.NAMESPACE_URL, f"{status}-{label}"),
                filename=f"{status}-{label}",
                type="x",
                expires=t,
            )
            m = mail(
                f"with-file-{status}-{label}",
                status,
                sent=NOW - D(1) if status in ("sent", "bounced") else None,
                inflight_since=NOW - MI(10) if status == "inflight" else None,
                _after={"created": NOW - D(1)},
            )
            m.should_attach_cached_files.add(f)
    mk(B("CachedFile"), id=uuid.uuid5(uuid.NAMESPACE_URL, "null"), filename="null", type="x", expires=None)

    # ---- 6-9 cached tickets: 72 hours; 30 minutes when there is no file -----------------------------------------
    for label, t in around(H(72)):
        mk(
            B("CachedTicket"),
            order_position=pos,
            provider=f"old-{label}",
            extension="pdf",
            type="p",
            file="f.pdf",
            _after={"created": t},
        )
        mk(
            B("CachedCombinedTicket"),
            order=base,
            provider=f"old-{label}",
            extension="pdf",
            type="p",
            file="f.pdf",
            _after={"created": t},
        )
    for label, t in around(MI(30), MI(10)):
        for f, word in ((None, "nofile"), ("", "emptyfile"), ("f.pdf", "file")):
            mk(
                B("CachedTicket"),
                order_position=pos,
                provider=f"{word}-{label}",
                extension="pdf",
                type="p",
                _after={"created": t, "file": f},
            )  # the ORM writes None as an empty text
            mk(
                B("CachedCombinedTicket"),
                order=base,
                provider=f"{word}-{label}",
                extension="pdf",
                type="p",
                _after={"created": t, "file": f},
            )  # the ORM writes None as an empty text

    # ---- 10 sessions, 11 SSO grants, 12 login sources, 13 web hook calls, 14 API calls --------------------------
    Session = M["sessions.Session"]
    for label, t in around(D(0)):
        mk(Session, session_key=f"s-{label}", session_data="x", expire_date=t)
    client = mk(
        B("CustomerSSOClient"),
        organizer=org,
        name="c",
        client_secret="x",
        client_type="confidential",
        authorization_grant_type="authorization-code",
        redirect_uris="https://x",
        allowed_scopes=[],
    )
    for label, t in around(D(14)):
        mk(
            B("CustomerSSOGrant"),
            client=client,
            customer=customer,
            code=f"g-{label}",
            auth_time=1,
            expires=t,
            redirect_uri="https://x",
            scope="",
        )
        mk(
            B("CustomerSSOAccessToken"), client=client, customer=customer, token=f"t-{label}", expires=t, scope=""
        )  # never cleaned
    for label, t in around(D(365)):
        mk(
            B("UserKnownLoginSource"),
            user=user,
            agent_type=label,
            device_type="d",
            os_type=None,
            country=None,
            _after={"last_seen": t},
        )
    hook = mk(A("WebHook"), organizer=org, target_url="https://x", enabled=True)
    for label, t in around(D(30)):
        mk(
            A("WebHookCall"),
            webhook=hook,
            target_url=label,
            return_code=200,
            payload="{}",
            response_body="",
            action_type="x",
            success=True,
            _after={"datetime": t},
        )
    for label, t in around(D(1)):
        mk(
            A("ApiCall"),
            idempotency_key=label,
            auth_hash="a",
            request_method="POST",
            request_path="/",
            response_code=200,
            response_headers="{}",
            response_body=b"\x00body",
            _after={"created": t},
        )
        mk(
            A("ApiCall"),
            idempotency_key=f"locked-{label}",
            auth_hash="a",
            locked=t,
            request_method="POST",
            request_path="/",
            response_code=0,
            response_headers="{}",
            response_body=b"",
            _after={"created": t},
        )

    # ---- 15/16 mails: 14 days after `sent`; without one, after `created` ----------------------------------------
    for label, t in around(D(14)):
        for status in ("sent", "failed", "queued", "withheld"):
            mail(f"unsent-{status}-{label}", status, _after={"created": t})
        m = mail(
            f"sent-{label}",
            "sent",
            sent=t,
            order=base,
            event=ev,
            orderposition=pos,
            customer=customer,
            _after={"created": NOW - D(300)},
        )
        f = mk(
            B("CachedFile"),
            id=uuid.uuid5(uuid.NAMESPACE_URL, f"of-mail-{label}"),
            filename=f"of-mail-{label}",
            type="x",
            expires=NOW + D(5),
        )
        m.should_attach_cached_files.add(f)
        o = order(f"MI{next(serial)}")
        n = next(serial)
        inv = mk(
            B("Invoice"),
            order=o,
            organizer=org,
            event=ev,
            prefix=f"M{n}-",
            invoice_no="1",
            full_invoice_no=f"M{n}-1",
            invoice_from="f",
            invoice_to="t",
            internal_reference="",
            introductory_text="",
            additional_text="",
            payment_provider_text="",
            footer_text="",
            date=date(2020, 1, 1),
            transmission_type="email",
            transmission_status="completed",
            sent_to_organizer=False,
            locale="en",
        )
        m.should_attach_invoices.add(inv)
    mail("sent-long-ago-created-now", "sent", sent=NOW - D(20), _after={"created": NOW - H(1)})
    mail("created-long-ago-sent-now", "sent", sent=NOW - H(2), _after={"created": NOW - D(50)})

    # ---- 17 staff sessions: last entry of the log 3 hours ago ---------------------------------------------------
    def staff(label, logs, end=None):
        s = mk(
            B("StaffSession"),
            user=user,
            session_key=label,
            comment="",
            date_end=end,
            _after={"date_start": NOW - D(200)},
        )
        for t in logs:
            mk(B("StaffSessionAuditLog"), session=s, url="/", method="GET", _after={"datetime": t})

    for label, t in around(H(3)):
        staff(label, [NOW - D(150), t])
        staff(f"ended-{label}", [t], end=t)
    staff("no-log", [])
    staff("old-and-new-log", [NOW - D(5), NOW - H(1)])

    # ---- 18 mails in flight for an hour -> queued ----------------------------------------------------------------
    for label, t in around(H(1), MI(20)):
        for status in ("inflight", "sent", "queued"):
            mail(
                f"flying-{status}-{label}",
                status,
                sent=NOW - H(2) if status == "sent" else None,
                inflight_since=t,
                _after={"created": NOW - MI(30) if status == "queued" else NOW - D(1)},
            )
    mail("flying-null", "inflight", inflight_since=None, _after={"created": NOW - D(3)})

    # ---- 19 invoices in flight for 48 hours -> pending, transmission_date = now ----------------------------------
    def invoice(label, status, t):
        next(serial)
        mk(
            B("Invoice"),
            order=base,
            organizer=org,
            event=ev,
            prefix=f"{label}-{status}-",
            invoice_no="1",
            full_invoice_no=f"{label}-{status}-1",
            invoice_from="f",
            invoice_to="t",
            internal_reference="",
            introductory_text="",
            additional_text="",
            payment_provider_text="",
            footer_text="",
            date=date(2020, 1, 1),
            transmission_type="email",
            transmission_status=status,
            transmission_date=t,
            sent_to_organizer=False,
            locale="en",
        )

    for label, t in [*around(H(48)), ("null", None)]:
        for status in ("inflight", "pending", "completed", "failed"):
            invoice(label, status, t)

    # ---- 20 scheduled mails missed by two days --------------------------------------------------------------------
    for label, t in around(D(2)):
        for e in (ev, ev_dead):
            for state in ("scheduled", "failed", "completed", "missed"):
                rule = mk(
                    M["sendmail.Rule"], event=e, subject=f"{label}-{state}", template="t", send_date=t, enabled=False
                )
                mk(M["sendmail.ScheduledMail"], rule=rule, event=e, computed_datetime=t, state=state)

    # ---- 21 orders that were not paid in time ---------------------------------------------------------------------
    for label, t in around(D(0)):
        order(f"EXP{label}", status="n", expires=t)
        order(f"MAN{label}", e=ev_manual, status="n", expires=t)
        order(f"VIP{label}", status="n", expires=t, valid_if_pending=True)
        order(f"APP{label}", status="n", expires=t, require_approval=True)
        order(f"PAY{label}", status="p", expires=t)
        order(f"CAN{label}", status="c", expires=t)
        o = order(f"FEE{label}", status="n", expires=t)
        mk(B("OrderFee"), order=o, fee_type="cancellation", value=Decimal(5), tax_rate=Decimal(0), tax_value=Decimal(0))
        o = order(f"SHP{label}", status="n", expires=t)
        mk(B("OrderFee"), order=o, fee_type="shipping", value=Decimal(5), tax_rate=Decimal(0), tax_value=Decimal(0))
        # a canceled cancellation fee does not count (OrderFee.objects leaves it out)
        o = order(f"CFE{label}", status="n", expires=t)
        mk(
            B("OrderFee"),
            order=o,
            fee_type="cancellation",
            value=Decimal(5),
            tax_rate=Decimal(0),
            tax_value=Decimal(0),
            canceled=True,
        )

    # ---- 22 sync jobs in flight for 20 minutes ---------------------------------------------------------------------
    for label, t in [*around(MI(20), MI(8)), ("null", None)]:
        mk(
            B("OrderSyncQueue"),
            order=order(f"SY{label}"),
            event=ev,
            sync_provider="p",
            triggered_by="x",
            not_before=NOW + D(1),
            in_flight=True,
            in_flight_since=t,
        )
        mk(
            B("OrderSyncQueue"),
            order=order(f"SN{label}"),
            event=ev,
            sync_provider="p",
            triggered_by="x",
            not_before=NOW + D(1),
            in_flight=False,
            in_flight_since=t,
        )
    if POISON:
        o = order("SYPOISON")
        mk(
            B("OrderSyncQueue"),
            order=o,
            event=ev,
            sync_provider="p",
            triggered_by="x",
            not_before=NOW + D(1),
            in_flight=True,
            in_flight_since=NOW - H(5),
        )
        mk(
            B("OrderSyncQueue"),
            order=o,
            event=ev,
            sync_provider="p",
            triggered_by="x",
            not_before=NOW + D(1),
            in_flight=False,
        )

    # ---- 23 web hook retries that are due (queued, then deleted) ---------------------------------------------------
    for label, t in around(D(0)):
        le = mk(
            B("LogEntry"),
            content_type=M["contenttypes.ContentType"].objects.get_for_model(B("Order")),
            object_id=base.pk,
            action_type="x",
            event=ev,
            data="{}",
        )
        mk(A("WebHookCallRetry"), webhook=hook, logentry=le, retry_not_before=t, action_type=label)

    # ---- 24-28 OAuth ------------------------------------------------------------------------------------------------
    app = mk(
        A("OAuthApplication"),
        name="app",
        client_type="confidential",
        authorization_grant_type="authorization-code",
        redirect_uris="https://x",
        user=user,
        client_id="cid",
        client_secret="sec",
    )
    # those around 30 days are for the refresh tokens, for which own.py sets REFRESH_TOKEN_EXPIRE_SECONDS
    for label, t in [*around(D(0)), *((f"30d-{label}", t) for label, t in around(D(30)))]:
        for ref in ("noref", "ref", "refrevoked"):
            idt = mk(
                A("OAuthIDToken"),
                user=user,
                application=app,
                jti=uuid.uuid5(uuid.NAMESPACE_URL, f"{ref}-{label}"),
                expires=t,
                scope="",
            )
            idt.organizers.add(org)
            at = mk(
                A("OAuthAccessToken"),
                user=user,
                application=app,
                token=f"{ref}-{label}",
                expires=t,
                scope="",
                id_token=idt,
            )
            at.organizers.add(org)
            if ref != "noref":
                mk(
                    A("OAuthRefreshToken"),
                    user=user,
                    application=app,
                    token=f"{ref}-{label}",
                    access_token=at,
                    revoked=t if ref == "refrevoked" and t < NOW else None,
                )
        free = mk(
            A("OAuthIDToken"),
            user=user,
            application=app,
            jti=uuid.uuid5(uuid.NAMESPACE_URL, f"free-{label}"),
            expires=t,
            scope="",
        )
        free.organizers.add(org)
        g = mk(
            A("OAuthGrant"),
            user=user,
            application=app,
            code=f"g-{label}",
            expires=t,
            redirect_uri="https://x",
            scope="",
        )
        g.organizers.add(org)
        # an access token got by a refresh token that is revoked: SET NULL when the refresh token goes
        old = mk(
            A("OAuthRefreshToken"),
            user=user,
            application=app,
            token=f"source-{label}",
            access_token=None,
            revoked=t if t < NOW else None,
        )
        mk(
            A("OAuthAccessToken"),
            user=user,
            application=app,
            token=f"fromsource-{label}",
            expires=NOW + D(1),
            scope="",
            source_refresh_token=old,
        )

    with connection.cursor() as c:
        c.execute("CREATE SCHEMA IF NOT EXISTS proof")
        c.execute("CREATE TABLE IF NOT EXISTS proof.seeded (at timestamptz NOT NULL)")
        c.execute("DELETE FROM proof.seeded")
        c.execute("INSERT INTO proof.seeded VALUES (clock_timestamp())")
