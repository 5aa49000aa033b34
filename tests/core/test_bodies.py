"""Bodies that come whole, cut off or without end."""

import json
from collections.abc import Callable
from io import BytesIO
from typing import IO

import pytest
from flask.testing import FlaskClient
from gunicorn.http.errors import InvalidChunkSize  # type: ignore[import-untyped]
from typing_extensions import Buffer
from werkzeug.test import TestResponse

from core.app import MAX_BODY
from tests.support import desk
from tests.support.factories import invoice_json

Post = Callable[[bytes], TestResponse]

PATH = "/api/v1/invoices/batch"
LINES = "application/x-ndjson"


def line() -> bytes:
    return json.dumps(invoice_json()).encode() + b"\n"


def in_chunks(given: IO[bytes]) -> dict[str, object]:
    """What gunicorn says of a body in chunks: it has an end, but no length."""
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
    return {"wsgi.input": given, "wsgi.input_terminated": True, **chunked}


@pytest.fixture
def post_chunks(api: FlaskClient) -> Post:
    """Posts a batch of lines in chunks."""

    def post(body: bytes) -> TestResponse:
        return api.post(PATH, content_type=LINES, environ_overrides=in_chunks(BytesIO(body)))

    return post


def test_a_body_in_chunks_is_read(post_chunks: Post) -> None:
    assert [item["code"] for item in post_chunks(line()).get_json()["results"]] == [202]


def test_a_body_in_chunks_is_not_cut_at_the_limit(post_chunks: Post) -> None:
    answered = post_chunks(line() + b" " * MAX_BODY + b"\n" + line())

    assert answered.status_code == 413
    assert answered.get_json()["detail"] == "Limit is 10 MB"
    assert desk.rows(desk.INVOICES) == []


@pytest.mark.parametrize(("size", "left"), [(MAX_BODY + 1, 0), (3 * MAX_BODY, MAX_BODY)])
def test_a_body_that_is_too_large_is_taken_in_and_thrown_away(
    api: FlaskClient, size: int, left: int
) -> None:
    """Else the server resets the connection, and nobody reads that it was too large."""
    body = BytesIO(bytes(size))
    given = {"wsgi.input": body, "CONTENT_LENGTH": str(size)}

    answered = api.post(PATH, content_type=LINES, environ_overrides=given)

    assert answered.status_code == 413
    assert len(body.read()) == left


def test_a_body_that_is_too_large_and_breaks_off_is_too_large(api: FlaskClient) -> None:
    class Cut(BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise ConnectionResetError

    given = {"wsgi.input": Cut(), "CONTENT_LENGTH": str(MAX_BODY + 1)}

    assert api.post(PATH, content_type=LINES, environ_overrides=given).status_code == 413


def test_a_body_that_ends_early_is_refused(api: FlaskClient) -> None:
    body = line()
    fewer = {"wsgi.input_terminated": True, "CONTENT_LENGTH": str(len(body) + 1)}

    answered = api.post(
        PATH, input_stream=BytesIO(body), content_type=LINES, environ_overrides=fewer
    )

    assert answered.status_code == 400
    assert "ended after" in answered.get_json()["detail"]
    assert desk.rows(desk.INVOICES) == []


def test_chunks_that_cannot_be_read_are_the_caller_s_fault(api: FlaskClient) -> None:
    class Broken(BytesIO):
        def readinto(self, _into: Buffer, /) -> int:
            raise InvalidChunkSize(b"zz")

    answered = api.post(PATH, content_type=LINES, environ_overrides=in_chunks(Broken()))

    assert answered.status_code == 400
    assert "chunks" in answered.get_json()["detail"]
