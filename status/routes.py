"""Showing what happened, and managing who is told."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, jsonify
from sqlalchemy import Connection, Row

from core.access import Caller, caller
from core.api import (
    bad_cursor,
    check_version,
    json_object,
    limit,
    listed,
    next_link,
    page,
    parameters,
    path_id,
    versioned,
)
from core.db import reading, unit_of_work
from core.editing import By
from core.web import settings
from status import answers, queries, replays, subscriptions
from status.schemas import NewSubscription, ReplayOrder, SubscriptionChange, read

bp = Blueprint("status", __name__, url_prefix="/api/v1")

EVENTS = "events:read"
SHOW = "subscriptions:read"
MANAGE = "subscriptions:write"
PAGING = ("limit", "cursor")


@bp.get("/events")
def list_events() -> Response:
    """List the status events of all invoices in order, from the one after `after` on.

    Nothing is left out by reading on from `next`: an event is shown 1.5 seconds after it
    happened, and the request waits for those that are younger. Events are kept here for 30 days.
    """
    source = caller(EVENTS)
    given = parameters("after", "limit")
    after, count = _after(given.get("after")), limit(given)
    rows = queries.feed(reading, source.source_id, after, count)
    last = str(rows[-1].id) if rows else str(after) if after else None
    answer = jsonify(items=[answers.event(row) for row in rows], next=last)
    if len(rows) == count and last:
        answer.headers["Link"] = next_link("after", last)
    return answer


@bp.get("/invoices/<invoice_id>/history")
def list_history(invoice_id: str) -> Response:
    """List everything that happened to one invoice, in order."""
    source = caller("invoices:read")
    asked = page(parameters(*PAGING))
    with reading() as connection:
        rows = queries.history(
            connection, source.source_id, path_id(invoice_id), asked.after, asked.limit + 1
        )
    return listed(rows, asked, answers.event)


@bp.get("/subscriptions")
def list_subscriptions() -> Response:
    """List the source's subscriptions, oldest first."""
    source = caller(SHOW)
    asked = page(parameters(*PAGING))
    with reading() as connection:
        rows = queries.subscriptions(connection, source.source_id, asked.after, asked.limit + 1)
    return listed(rows, asked, answers.subscription)


@bp.post("/subscriptions")
def add_subscription() -> Response:
    """Add a subscription. Its secret is in the answer, and is shown this once."""
    source = caller(MANAGE)
    parameters()
    wanted = read(NewSubscription, json_object())
    subscriptions.check_target(wanted.url, settings=settings())
    with unit_of_work() as connection:
        new, secret = subscriptions.subscribe(
            connection, source.source_id, wanted.url, wanted.event_types, settings=settings()
        )
    answer = _shown(source.source_id, new, secret=secret)
    answer.status_code = 201
    answer.headers["Location"] = f"/api/v1/subscriptions/{new}"
    return answer


@bp.get("/subscriptions/<subscription_id>")
def show_subscription(subscription_id: str) -> Response:
    """Show one subscription."""
    source = caller(SHOW)
    parameters()
    with reading() as connection:
        row = queries.subscription(connection, source.source_id, path_id(subscription_id))
    return versioned(jsonify(answers.subscription(row)), row.version)


@bp.patch("/subscriptions/<subscription_id>")
def change_subscription(subscription_id: str) -> Response:
    """Change the URL or the event types of a subscription."""
    source = caller(MANAGE)
    wanted = read(SubscriptionChange, json_object())
    if wanted.url is not None:
        subscriptions.check_target(wanted.url, settings=settings())

    def change(connection: Connection, found: Row[Any], by: By) -> None:
        url, event_types = wanted.url, wanted.event_types
        subscriptions.change(
            connection, found, by, settings=settings(), url=url, event_types=event_types
        )

    return _changed(source, subscription_id, change)


@bp.delete("/subscriptions/<subscription_id>")
def delete_subscription(subscription_id: str) -> Response:
    """Delete a subscription; nothing is pushed to it any more."""
    source = caller(MANAGE)
    parameters()
    with unit_of_work() as connection:
        found = _locked(connection, source, subscription_id)
        subscriptions.delete(connection, found, _by(source))
    return Response(status=204)


@bp.post("/subscriptions/<subscription_id>/pause")
def pause_subscription(subscription_id: str) -> Response:
    """Stop pushing for now; what happens meanwhile is parked and goes out when it is enabled."""
    return _changed(caller(MANAGE), subscription_id, subscriptions.pause)


@bp.post("/subscriptions/<subscription_id>/enable")
def enable_subscription(subscription_id: str) -> Response:
    """Push again to a subscription that was paused or disabled."""
    return _changed(caller(MANAGE), subscription_id, subscriptions.enable)


@bp.post("/subscriptions/<subscription_id>/rotate-secret")
def rotate_secret(subscription_id: str) -> Response:
    """Make a new secret, shown this once; the old one signs beside it for 24 hours."""
    source = caller(MANAGE)
    parameters()
    with unit_of_work() as connection:
        found = _locked(connection, source, subscription_id)
        secret = subscriptions.rotate_secret(connection, found, _by(source), settings=settings())
    return _shown(source.source_id, found.id, secret=secret)


@bp.post("/subscriptions/<subscription_id>/test")
def test_subscription(subscription_id: str) -> Response:
    """Push a `webhook.test` to a subscription; its pushes show what became of it."""
    source = caller(MANAGE)
    parameters()
    with unit_of_work() as connection:
        found = queries.subscription(connection, source.source_id, path_id(subscription_id))
        push_id = replays.send_test(connection, found)
    answer = jsonify(push_id=str(push_id))
    answer.status_code = 202
    answer.headers["Location"] = f"/api/v1/subscriptions/{found.id}/pushes"
    return answer


@bp.post("/subscriptions/<subscription_id>/replay")
def replay_subscription(subscription_id: str) -> Response:
    """Push every event since a time again that this subscription was to hear of."""
    source = caller(MANAGE)
    parameters()
    wanted = read(ReplayOrder, json_object())
    with unit_of_work() as connection:
        found = queries.subscription(connection, source.source_id, path_id(subscription_id))
        done = replays.replay(connection, found, wanted.since)
    answer = jsonify(replayed=done.again, unparked=done.unparked)
    answer.status_code = 202
    return answer


@bp.get("/subscriptions/<subscription_id>/pushes")
def list_pushes(subscription_id: str) -> Response:
    """List what was pushed to a subscription or waits to be, newest first."""
    source = caller(SHOW)
    asked = page(parameters(*PAGING))
    with reading() as connection:
        rows = queries.pushes(
            connection, source.source_id, path_id(subscription_id), asked.after, asked.limit + 1
        )
    return listed(rows, asked, answers.push)


def _after(given: list[str] | None) -> UUID | None:
    try:
        return UUID(given[0]) if given else None
    except ValueError:
        raise bad_cursor() from None


def _changed(
    source: Caller, subscription_id: str, change: Callable[[Connection, Row[Any], By], None]
) -> Response:
    """Carry out a change and answer with the subscription as it is now."""
    parameters()
    with unit_of_work() as connection:
        found = _locked(connection, source, subscription_id)
        change(connection, found, _by(source))
    return _shown(source.source_id, found.id)


def _locked(connection: Connection, source: Caller, subscription_id: str) -> Row[Any]:
    """Lock a subscription before its version is compared, so that it cannot move afterwards."""
    found = subscriptions.locked(connection, source.source_id, path_id(subscription_id))
    check_version(found.version)
    return found


def _by(source: Caller) -> By:
    return By(source.name)


def _shown(source_id: UUID, subscription_id: UUID, **more: str) -> Response:
    with reading() as connection:
        row = queries.subscription(connection, source_id, subscription_id)
    answer = jsonify(answers.subscription(row) | more)
    answer.set_etag(str(row.version))
    return answer
