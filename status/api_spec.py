"""What the routes of history and subscriptions take and answer, for the API's description."""

from collections.abc import Mapping

from typing_extensions import TypedDict

from core.openapi import (
    ETAG,
    IF_MATCH,
    LINK,
    LOCATION,
    PAGING,
    Id,
    Limit,
    Moment,
    Operation,
    Page,
)
from status.models import Cause, PushState, Status, SubscriptionState
from status.schemas import NewSubscription, ReplayOrder, SubscriptionChange


class Event(TypedDict):
    """One thing that happened; where `previous_status` is `status` it changed nothing."""

    id: Id
    type: str
    invoice_id: Id
    sequence: int
    status: Status
    previous_status: Status | None
    cause: Cause
    delivery_id: Id | None
    detail: str | None
    occurred_at: Moment
    recorded_at: Moment


class Subscription(TypedDict):
    """A URL that is told; no `event_types` mean all."""

    id: Id
    url: str
    event_types: list[str]
    state: SubscriptionState
    state_reason: str | None
    old_secret_until: Moment | None
    version: int
    created_at: Moment


class SubscriptionWithSecret(Subscription):
    """A subscription with its secret, which is shown this once."""

    secret: str


class Push(TypedDict):
    """One event for one subscription; `due_at` null: it is not tried again by itself."""

    id: Id
    event_id: Id
    type: str
    replay: int
    state: PushState
    due_at: Moment | None
    attempt_count: int
    created_at: Moment
    finished_at: Moment | None


class TestPush(TypedDict):
    """The push that was made to try a subscription out."""

    push_id: Id


class Replay(TypedDict):
    """How many pushes were made anew, and how many were parked and go out now."""

    replayed: int
    unparked: int


SHOW = "subscriptions:read"
MANAGE = "subscriptions:write"


def _change(answer: object) -> Operation:
    return Operation(
        scope=MANAGE,
        headers=IF_MATCH,
        answers={200: answer},
        answer_headers=ETAG,
        problems=(409,),
    )


OPERATIONS: Mapping[str, Operation] = {
    "status.list_events": Operation(
        scope="events:read",
        query={"after": Id, "limit": Limit},
        answers={200: Page[Event]},
        answer_headers=LINK,
    ),
    "status.list_history": Operation(
        scope="invoices:read", query=PAGING, answers={200: Page[Event]}, answer_headers=LINK
    ),
    "status.list_subscriptions": Operation(
        scope=SHOW, query=PAGING, answers={200: Page[Subscription]}, answer_headers=LINK
    ),
    "status.add_subscription": Operation(
        scope=MANAGE,
        bodies={"application/json": NewSubscription},
        answers={201: SubscriptionWithSecret},
        answer_headers={**LOCATION, **ETAG},
    ),
    "status.show_subscription": Operation(
        scope=SHOW, answers={200: Subscription, 304: None}, answer_headers=ETAG
    ),
    "status.change_subscription": Operation(
        scope=MANAGE,
        bodies={"application/json": SubscriptionChange},
        headers=IF_MATCH,
        answers={200: Subscription},
        answer_headers=ETAG,
        problems=(409,),
    ),
    "status.delete_subscription": Operation(
        scope=MANAGE, headers=IF_MATCH, answers={204: None}, problems=(409,)
    ),
    "status.pause_subscription": _change(Subscription),
    "status.enable_subscription": _change(Subscription),
    "status.rotate_secret": _change(SubscriptionWithSecret),
    "status.test_subscription": Operation(
        scope=MANAGE, answers={202: TestPush}, answer_headers=LOCATION, problems=(409,)
    ),
    "status.replay_subscription": Operation(
        scope=MANAGE,
        bodies={"application/json": ReplayOrder},
        answers={202: Replay},
        problems=(409,),
    ),
    "status.list_pushes": Operation(
        scope=SHOW, query=PAGING, answers={200: Page[Push]}, answer_headers=LINK
    ),
}
