"""The pages, in the order of the menu."""

from flask_admin.base import BaseView
from flask_babel import lazy_gettext as _l

from admin.views import (
    audit,
    bulk,
    callbacks,
    deliveries,
    health,
    history,
    invoices,
    keys,
    legal_holds,
    letters,
    mail_rules,
    mappings,
    pauses,
    providers,
    pushes,
    report_mails,
    reports,
    retention,
    schedules,
    sources,
    subscriptions,
    suppressions,
    users,
)


def every_view() -> list[BaseView]:
    """Build each page once."""
    work, operation, staff = _l("Invoices"), _l("Operation"), _l("Staff")
    billing, delivery = _l("Billing systems"), _l("Providers")
    return [
        invoices.Invoices(_l("Invoices"), "invoice", work),
        bulk.BulkActs(_l("Many at once"), "bulk_act", work),
        deliveries.Deliveries(_l("Deliveries"), "delivery", work),
        callbacks.Callbacks(_l("Callbacks"), "callback", work),
        suppressions.Suppressions(_l("Suppressions"), "suppression", work),
        history.StatusEvents(_l("Status events"), "status_event", work),
        reports.Reports(_l("Reports"), "report", work),
        report_mails.ReportMails(_l("Mailed reports"), "report_mail", work),
        sources.Sources(_l("Sources"), "source", billing),
        keys.ApiKeys(_l("API keys"), "api_key", billing),
        letters.Letters(_l("Letters"), "letter", billing),
        subscriptions.Subscriptions(_l("Subscriptions"), "subscription", billing),
        pushes.Pushes(_l("Pushes"), "push", billing),
        providers.Providers(_l("Providers"), "provider", delivery),
        mappings.Mappings(_l("Status mappings"), "mapping", delivery),
        mail_rules.MailRules(_l("Mail rules"), "mail_rule", delivery),
        schedules.Schedules(_l("Schedule"), "schedule", operation),
        pauses.DispatchPauses(_l("Dispatch"), "dispatch_pause", operation),
        retention.Retention(
            _l("Retention"), endpoint="retention", url="/admin/retention", category=operation
        ),
        legal_holds.LegalHolds(_l("Legal holds"), "legal_hold", operation),
        health.Health(_l("Health"), endpoint="doctor", url="/admin/health", category=operation),
        users.Users(_l("Users"), "user", staff),
        audit.Audit(_l("Audit"), "audit", staff),
    ]
