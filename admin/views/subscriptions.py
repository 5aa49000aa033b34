"""Subscriptions: who is told of what happens to invoices."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

from flask_admin.model.base import ViewArgs
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Connection, Row, select
from wtforms.validators import DataRequired, InputRequired, ValidationError

from admin import cells, filters, listing
from admin.access import Role, by
from admin.acts import Act, ActForm, ReasonedForm
from admin.forms import LocalTimeField, RowField, TextField, TicksField, VersionedForm, words_of
from admin.reports import Made, Related, Report
from admin.view import DeskView
from admin.views.pushes import PUSHES, push_cells
from core.web import settings
from invoices.models import Source
from status import replays, subscriptions
from status.models import Subscription, SubscriptionState
from status.services import EVENT_TYPES

SHOWN = 10
DELETED, ACTIVE = SubscriptionState.DELETED, SubscriptionState.ACTIVE


class _Owner(VersionedForm):
    """Whose invoices it hears of."""

    source_id = RowField(
        _l("Source"), Source, "name", _l("choose one"), validators=[DataRequired()]
    )


class SubscriptionForm(VersionedForm):
    """What may be changed of a subscription."""

    url = TextField(
        _l("Address"),
        subscriptions.LONGEST_URL,
        DataRequired(),
        description=_l("https://… at a public address; events are posted there"),
    )
    event_types = TicksField(
        _l("It hears of"), choices=words_of(EVENT_TYPES), description=_l("none ticked: all events")
    )


class NewSubscriptionForm(_Owner, SubscriptionForm):
    """A new subscription."""


class ReplayForm(ActForm):
    """From when on."""

    since = LocalTimeField(_l("Everything since"), [InputRequired()])

    def validate_since(self, field: LocalTimeField) -> None:
        """Refuse white space alone; `InputRequired` takes it for something."""
        if field.data is None and not field.process_errors:
            raise ValidationError(field.gettext("This field is required."))


def _found(connection: Connection, key: UUID) -> Row[Any]:
    return subscriptions.locked(connection, None, key)


def _pause(connection: Connection, key: UUID, form: ActForm) -> None:
    subscriptions.pause(connection, _found(connection, key), by(form.why()))


def _enable(connection: Connection, key: UUID, form: ActForm) -> None:  # noqa: ARG001
    subscriptions.enable(connection, _found(connection, key), by())


def _test(connection: Connection, key: UUID, form: ActForm) -> None:  # noqa: ARG001
    replays.send_test(connection, _found(connection, key))


def _replay(connection: Connection, key: UUID, form: Any) -> Report:
    done = replays.replay(connection, _found(connection, key), form.since.data)
    facts = {
        _("Pushed again"): f"{done.again:,}",
        _("Were parked, go out now"): f"{done.unparked:,}",
    }
    return Report(title=_l("They are on their way"), facts=facts)


def _rotate(connection: Connection, key: UUID, form: ActForm) -> Report:  # noqa: ARG001
    found = _found(connection, key)
    secret = subscriptions.rotate_secret(connection, found, by(), settings=settings())
    text = _l("Each push is signed with it, and for 24 hours with the old one as well.")
    return Report(title=_l("The new secret"), text=text, secret=secret)


def _is_stopped(row: Row[Any]) -> bool:
    return row.state not in {ACTIVE, DELETED}


def _is_active(row: Row[Any]) -> bool:
    return bool(row.state == ACTIVE)


ACTS = (
    Act(
        name="pause",
        label=_l("Pause"),
        question=_l("Nothing is pushed; what happens meanwhile is parked until it is enabled."),
        role=Role.OPERATOR,
        run=_pause,
        form=ReasonedForm,
        fits=_is_active,
        counts="state",
    ),
    Act(
        name="enable",
        label=_l("Enable"),
        question=_l("It is told again, and what was parked goes out at once."),
        role=Role.OPERATOR,
        run=_enable,
        fits=_is_stopped,
        counts="state",
    ),
    Act(
        name="test",
        label=_l("Test"),
        question=_l("A webhook.test goes to it; the list of its pushes shows what became of it."),
        role=Role.OPERATOR,
        run=_test,
        fits=_is_active,
    ),
    Act(
        name="replay",
        label=_l("Push again"),
        question=_l("Every event since then that it was to hear of is pushed once more."),
        role=Role.OPERATOR,
        run=_replay,
        form=ReplayForm,
        fits=_is_active,
        is_for_many=False,
    ),
    Act(
        name="rotate",
        label=_l("New secret"),
        question=_l("A new secret is made and shown once; the old one counts for 24 hours more."),
        role=Role.ADMIN,
        run=_rotate,
        fits=lambda row: row.state != DELETED,
        is_for_many=False,
        needs_fresh=True,
    ),
)


def _events(view: object, context: object, row: Row[Any], name: str) -> Any:  # noqa: ARG001
    return cells.plain(row.event_types) if row.event_types else _("all events")


class Subscriptions(DeskView):
    """Every subscription; the deleted ones where they are asked for."""

    model = Subscription
    title_column = "url"
    columns = ("url", "source_id", "event_types", "state", "state_reason", "failures")
    details = (
        *("url", "source_id", "event_types", "state", "state_reason", "failures", "closed_until"),
        *("pace", "old_secret_until", "created_at", "updated_at", "updated_by", "id"),
    )
    hidden = frozenset({"secret_numbers"})
    formats = {"event_types": _events, "state": cells.badge, "state_reason": cells.excerpt}
    searched = ("url",)
    narrowed_by = (
        filters.Refers("source_id", _l("Source"), Source, "name"),
        filters.OneOf("state", _l("State"), SubscriptionState),
    )
    form = NewSubscriptionForm
    edit_form_class = SubscriptionForm
    create_words = _l("Add a subscription")
    create_role = edit_role = remove_role = Role.ADMIN
    needs_fresh = True
    acts = ACTS
    empty = _l(
        "Nobody is told of anything yet. A source adds subscriptions by the API, or you here."
    )

    def wanted(
        self, columns: Iterable[str], args: ViewArgs, order: str | None = None
    ) -> listing.Wanted:
        """Leave the deleted ones out, unless a state is asked for."""
        found = super().wanted(columns, args, order)
        if (args.extra_args or {}).get("state"):
            return found
        return replace(found, clauses=(*found.clauses, self.table.c.state != DELETED))

    def is_editable(self, row: Row[Any]) -> bool:
        """What is deleted stays so."""
        return bool(row.state != DELETED)

    def is_removable(self, row: Row[Any]) -> bool:
        """What is deleted stays so."""
        return self.is_editable(row)

    def before(self, form: Any) -> None:
        """Ask the resolver for the address."""
        subscriptions.check_target(form.url.data, settings=settings())

    def create(self, connection: Connection, form: Any) -> Made:
        """Add a subscription, whose secret is shown this once."""
        source_id, url, types = form.source_id.data, form.url.data, form.event_types.data or ()
        added, secret = subscriptions.subscribe(
            connection, source_id, url, types, settings=settings()
        )
        text = _l("Each push is signed with it, as Standard Webhooks says.")
        title = _("The secret of %(url)s", url=url)
        return Made(added, Report(title=title, text=text, secret=secret))

    def change(self, connection: Connection, row: Row[Any], form: Any) -> None:
        """Change address or events."""
        found = subscriptions.locked(connection, None, row.id, form.shown_version())
        url, types = form.url.data, form.event_types.data or ()
        subscriptions.change(
            connection, found, by(), settings=settings(), url=url, event_types=types
        )

    def remove(self, connection: Connection, row: Row[Any]) -> None:
        """Delete it; its pushes stay to be looked at."""
        subscriptions.delete(connection, _found(connection, row.id), by())

    def about(self, connection: Connection, row: Row[Any]) -> dict[str, Any]:
        """Show what was pushed to it."""
        mine = select(*(column for column in PUSHES.c if column.name != "payload"))
        mine = mine.where(PUSHES.c.subscription_id == row.id).order_by(PUSHES.c.id.desc())
        rows = [push_cells(self, one) for one in connection.execute(mine.limit(SHOWN))]
        heads = (_l("Created"), _l("Event"), _l("State"), _l("Attempts"), _l("Next try"))
        more = (self.get_url("push.index_view", subscription_id=row.id), _l("All of them"))
        empty = _l("Nothing was pushed to it yet.")
        last = Related(title=_l("Last pushes"), heads=heads, rows=rows, empty=empty, more=more)
        return {"badge": cells.badge_of(row.state), "notes": _notes(row), "related": [last]}


def _notes(row: Row[Any]) -> list[tuple[str, str]]:
    """Say what is wrong with a subscription."""
    if row.state == SubscriptionState.DISABLED:
        return [("danger", _("It was disabled: %(why)s", why=row.state_reason or ""))]
    if row.closed_until is not None and row.closed_until > cells.now():
        words = _(
            "It failed %(count)s times in a row; it is tried again %(when)s.",
            count=row.failures,
            when=cells.ago(row.closed_until),
        )
        return [("warning", words)]
    return []
