"""Pushes: each event for each subscriber, with its tries."""

import json
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy import Connection, Row, select

from admin import cells, filters
from admin.access import Role
from admin.acts import Act, ActForm
from admin.base import TableView
from admin.reports import Related
from admin.view import DeskView
from core.visible import visible
from status import queries, replays
from status.models import Push, PushState, Subscription
from status.services import EVENT_TYPES

PUSHES = Push.__table__

FINISHED = frozenset({PushState.DELIVERED, PushState.EXHAUSTED})


def _due(view: object, context: object, row: Row[Any], name: str) -> Markup:  # noqa: ARG001
    """Say when a push is tried next; one that is parked or has ended is not."""
    return cells.moment(row.due_at if row.state == PushState.PENDING else None)


def push_cells(view: TableView, push: Row[Any]) -> tuple[Any, ...]:
    """Return what the page of its subscription shows of a push."""
    url = view.get_url("push.details_view", id=push.id)
    created = cells.link(url, cells.moment(push.created_at))
    state, count = cells.badge_of(push.state), str(push.attempt_count)
    return created, push.event_type, state, count, _due(view, None, push, "due_at")


def _send_again(connection: Connection, key: UUID, form: ActForm) -> object:  # noqa: ARG001
    return replays.push_again(connection, key)


class Pushes(DeskView):
    """Every push; nobody edits or removes one."""

    model = Push
    columns = (
        "created_at",
        "event_type",
        "subscription_id",
        "state",
        "attempt_count",
        "due_at",
        "finished_at",
    )
    hidden = frozenset({"payload", "lease_token"})
    details = (
        *("event_type", "subscription_id", "state", "attempt_count", "due_at", "finished_at"),
        *("replay", "event_id", "created_at", "id"),
    )
    formats = {"state": cells.badge, "due_at": _due}
    narrowed_by = (
        filters.Refers("subscription_id", _l("Subscriber"), Subscription, "url"),
        filters.OneOf("state", _l("State"), PushState),
        filters.OneOf("event_type", _l("Event"), EVENT_TYPES),
        filters.CreatedSince("created_from", _l("Made from")),
        filters.CreatedUntil("created_to", _l("to")),
    )
    acts = (
        Act(
            name="again",
            label=_l("Send again"),
            question=_l("The same body goes out once more, with the same event id."),
            role=Role.OPERATOR,
            run=_send_again,
            fits=lambda row: row.state in FINISHED,
            counts="state",
        ),
    )
    details_template = "kuvert/admin/push.html"
    intro = _l(
        "One push is one event for one subscriber. It is tried nine times over three days, then"
        " given up; somebody can send it again."
    )
    empty = _l("Nothing was pushed yet: a push comes with each event that a subscriber wants.")

    def called(self, row: Row[Any]) -> str:
        """Return how a push is called in sentences."""
        when = f"{row.created_at.astimezone(cells.zone()):%d %b %H:%M:%S}"
        return _("%(event)s of %(when)s", event=row.event_type, when=when)

    def about(self, connection: Connection, row: Row[Any]) -> dict[str, Any]:
        """Show its body and its tries."""
        payload = connection.scalar(select(PUSHES.c.payload).where(PUSHES.c.id == row.id))
        tries = [_try_cells(one) for one in queries.push_attempts(connection, [row.id])]
        heads = (
            *(_l("Number"), _l("Started"), _l("HTTP status"), _l("Took")),
            *(_l("What went wrong"), _l("Answer")),
        )
        empty = _l("It was not tried yet.")
        related = Related(title=_l("Attempts"), heads=heads, rows=tries, empty=empty)
        return {
            "badge": cells.badge_of(row.state),
            "payload": payload,
            "facts": self._facts(str(payload or "{}")),
            "related": [related],
        }

    def _facts(self, payload: str) -> dict[str, Any]:
        """Return the invoice that the body speaks of, where it does."""
        data = json.loads(payload).get("data", {})
        if "invoice_id" not in data:
            return {}
        url = self.get_url("invoice.details_view", id=data["invoice_id"])
        return {_("Invoice"): cells.link(url, data.get("number") or data["invoice_id"])}


def _try_cells(one: Row[Any]) -> tuple[Any, ...]:
    answer = cells.NOTHING
    if one.response:
        lines = "\n".join(visible(line) for line in one.response.splitlines())
        answer = Markup('<pre class="raw">{}</pre>').format(lines)
    took = cells.span(one.finished_at - one.started_at)
    started, status = cells.full_moment(one.started_at), cells.plain(one.http_status)
    return one.number, started, status, took, cells.plain(one.error), answer
