"""Providers: who delivers for us, how they are, and what they are told."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Connection, Row, select
from wtforms.validators import DataRequired

from admin import cells, filters
from admin.access import Role, by
from admin.acts import Act, ActForm
from admin.forms import TextField
from admin.provider_form import NewProviderForm, ProviderForm, as_new
from admin.reports import Related, Report
from admin.view import DeskView
from admin.views.mappings import waiting_words
from callbacks.models import StatusMapping
from core.web import settings
from invoices import edits, probing, setup
from invoices.models import Attempt, ChannelName, Delivery, Provider, ProviderState

PROVIDERS = Provider.__table__
MAPPINGS = StatusMapping.__table__
ATTEMPTS = Attempt.__table__
DELIVERIES = Delivery.__table__

LOOKED_AT = 5_000
"""Newest attempts among which those of one provider are looked for."""

SHOWN = 10
PAUSED, ACTIVE = ProviderState.PAUSED, ProviderState.ACTIVE


class WhyForm(ActForm):
    """Why: everybody sees it beside the state."""

    reason = TextField(_l("Reason"), edits.LONGEST_REASON, DataRequired(_l("say why")))


class ProbeForm(ActForm):
    """Where the test document is to go."""

    to = TextField(
        _l("Recipient"),
        320,
        description=_l(
            "the address that the test document names; empty: none, or the sandbox's; a mail goes"
            " there, so name your own"
        ),
    )


def _code(connection: Connection, key: UUID) -> str:
    return str(connection.scalar(select(PROVIDERS.c.code).where(PROVIDERS.c.id == key)))


def _pause(connection: Connection, key: UUID, form: Any) -> None:
    edits.pause_provider(connection, _code(connection, key), form.reason.data, by(form.why()))


def _drain(connection: Connection, key: UUID, form: Any) -> None:
    code = _code(connection, key)
    edits.drain_provider(connection, code, form.reason.data, by(form.why()), settings=settings())


def _resume(connection: Connection, key: UUID, form: ActForm) -> None:  # noqa: ARG001
    edits.resume_provider(connection, _code(connection, key), by(), settings=settings())


def _silence(connection: Connection, key: UUID, form: ActForm) -> None:  # noqa: ARG001
    edits.silence_provider(connection, _code(connection, key), by())


def _test(connection: Connection, key: UUID, form: Any) -> Callable[[], Report]:
    found = connection.execute(select(PROVIDERS).where(PROVIDERS.c.id == key)).one()
    return lambda: _probed(found, form.to.data)


def _probed(provider: Row[Any], to: str | None) -> Report:
    """Hand the test document over and tell what came back."""
    result = probing.probe(provider, to)
    facts = {
        _("Outcome"): cells.badge_of(str(result.outcome)),
        _("HTTP status"): cells.plain(result.http_status),
        _("Its reference"): cells.plain(result.reference),
        _("In words"): cells.plain(result.detail),
        _("Its own words"): cells.plain(result.response),
    }
    text = _l("The document said three times that it is a test. Nothing was stored here.")
    return Report(title=_("What %(code)s answered", code=provider.code), text=text, facts=facts)


ACTS = (
    Act(
        name="pause",
        label=_l("Pause"),
        question=_l("It is given no work, retries included, until somebody resumes it."),
        role=Role.OPERATOR,
        run=_pause,
        form=WhyForm,
        fits=lambda row: row.state != PAUSED,
        counts="state",
    ),
    Act(
        name="drain",
        label=_l("Drain"),
        question=_l("It finishes what it has begun, retries too, and is given nothing new."),
        role=Role.OPERATOR,
        run=_drain,
        form=WhyForm,
        fits=lambda row: row.state == ACTIVE,
        counts="state",
    ),
    Act(
        name="resume",
        label=_l("Resume"),
        question=_l("It is given work again. Its alarm and its failures so far are forgotten."),
        role=Role.OPERATOR,
        run=_resume,
        fits=lambda row: row.state != ACTIVE,
        counts="state",
    ),
    Act(
        name="test",
        label=_l("Test"),
        question=_l(
            "A document that is marked as a test goes to it now, whatever state it is in; this may"
            " take half a minute. Nothing is stored."
        ),
        role=Role.OPERATOR,
        run=_test,
        form=ProbeForm,
        is_for_many=False,
    ),
    Act(
        name="silence",
        label=_l("Silence the alarm"),
        question=_l("The alarm goes; the next failure of that kind raises it again."),
        role=Role.OPERATOR,
        run=_silence,
        fits=lambda row: row.alarm is not None,
    ),
)


class Providers(DeskView):
    """Every provider."""

    model = Provider
    title_column = "code"
    columns = ("code", "channel", "state", "state_reason", "alarm", "closed_until", "created_at")
    details = (
        *("state", "state_reason", "channel", "url", "is_idempotent", "concurrency", "auth_ref"),
        *("callback_profile", "callback_secret_refs", "settings", "failures", "closed_until"),
        *("pace", "created_at", "updated_at", "updated_by", "id"),
    )
    more_columns = ("alarm",)
    formats = {
        "state": cells.badge,
        "auth_ref": cells.code,
        "state_reason": cells.excerpt,
        "alarm": cells.excerpt,
    }
    searched = ("code",)
    narrowed_by = (
        filters.OneOf("state", _l("State"), ProviderState),
        filters.OneOf("channel", _l("Channel"), ChannelName),
    )
    form = NewProviderForm
    edit_form_class = ProviderForm
    create_words = _l("Add a provider")
    create_role = edit_role = Role.ADMIN
    needs_fresh = True
    acts = ACTS
    empty = _l("There is no provider yet: nothing can be delivered. Add one.")

    def create(self, connection: Connection, form: Any) -> UUID:
        """Add a provider."""
        return setup.add_provider(connection, as_new(form), settings=settings())

    def change(self, connection: Connection, row: Row[Any], form: Any) -> object:
        """Change how it is reached and believed."""
        return edits.edit_provider(
            connection, row.id, form.values(), by(), form.shown_version(), settings=settings()
        )

    def about(self, connection: Connection, row: Row[Any]) -> dict[str, Any]:
        """Show how it is, what its words mean, and what came of the last attempts."""
        return {
            "badge": cells.badge_of(row.state),
            "notes": _notes(row),
            "related": [
                waiting_words(self, connection, row.id),
                self._mappings(connection, row.id),
                self._attempts(connection, row.id),
            ],
        }

    def _mappings(self, connection: Connection, provider_id: UUID) -> Related:
        mine = select(MAPPINGS).where(MAPPINGS.c.provider_id == provider_id)
        rows = [
            (
                cells.link(self.get_url("mapping.details_view", id=one.id), one.provider_status),
                cells.badge_of(one.status),
                f"{one.hits:,}",
            )
            for one in connection.execute(mine.order_by(MAPPINGS.c.provider_status))
        ]
        more = (self.get_url("mapping.index_view", provider_id=provider_id), _l("All of them"))
        heads = (_l("Provider's word"), _l("Status"), _l("Times seen"))
        empty = _l("No word of this provider has a meaning: its callbacks all wait.")
        title = _l("What its words mean")
        return Related(title=title, heads=heads, rows=rows, empty=empty, more=more)

    def _attempts(self, connection: Connection, provider_id: UUID) -> Related:
        new = select(ATTEMPTS).order_by(ATTEMPTS.c.id.desc()).limit(LOOKED_AT).subquery()
        mine = (
            select(new)
            .join(DELIVERIES, DELIVERIES.c.id == new.c.delivery_id)
            .where(DELIVERIES.c.provider_id == provider_id)
            .order_by(new.c.id.desc())
            .limit(SHOWN)
        )
        rows = [self._attempt_cells(one) for one in connection.execute(mine)]
        heads = (_l("Started"), _l("Delivery"), _l("Outcome"), _l("HTTP status"), _l("Took"))
        more = (self.get_url("delivery.index_view", provider_id=provider_id), _l("Its deliveries"))
        empty = _l("None among the newest attempts of all providers.")
        return Related(title=_l("Last attempts"), heads=heads, rows=rows, empty=empty, more=more)

    def _attempt_cells(self, one: Row[Any]) -> tuple[Any, ...]:
        url = self.get_url("delivery.details_view", id=one.delivery_id)
        words = _("attempt %(number)s", number=one.number)
        took = cells.span(one.finished_at - one.started_at) if one.finished_at else cells.NOTHING
        outcome = cells.badge_of(one.outcome or "under way")
        started = cells.moment(one.started_at)
        return started, cells.link(url, words), outcome, cells.plain(one.http_status), took


def _notes(row: Row[Any]) -> list[tuple[str, str]]:
    """Say what is wrong with a provider."""
    notes = []
    if row.alarm:
        notes.append(("danger", _("Alarm: %(words)s", words=row.alarm)))
    if row.closed_until is not None and row.closed_until > cells.now():
        when = cells.ago(row.closed_until)
        words = _(
            "It failed %(count)s times in a row; it is tried again %(when)s.",
            count=row.failures,
            when=when,
        )
        notes.append(("warning", words))
    return notes
