"""What providers send and get, for the description of the API."""

from collections.abc import Mapping

from typing_extensions import TypedDict

from core.openapi import Id, Operation, Raw


class Received(TypedDict):
    """A callback that was stored; a repeat of it gets the first one's id."""

    id: Id


OPERATIONS: Mapping[str, Operation] = {
    "callbacks.receive": Operation(
        has_key=False,
        bodies={"application/json": Raw},
        headers={
            "webhook-id": "Which event it is (Standard Webhooks); sent again with a repeat.",
            "webhook-timestamp": "When it was signed, in Unix seconds; within 5 minutes of now.",
            "webhook-signature": "v1,<base64> of HMAC-SHA256; several are parted by spaces.",
        },
        answers={202: Received, 200: Received},
        problems=(401,),
    ),
}
