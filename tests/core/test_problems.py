"""Every error is a problem (RFC 9457)."""

import errno
import logging
from pathlib import Path

import pytest
from flask import Flask, abort
from sqlalchemy.exc import OperationalError

from core.app import create_app
from core.errors import ConflictError, Finding, InputError, KuvertError, UnavailableError
from tests.support.environment import make_settings

RAISED = {
    "input": InputError("wrong", findings=[Finding("/a", "rule", "why")]),
    "xpath": InputError("wrong", findings=[Finding("/Invoice/ID", "BR-02", "why", is_xpath=True)]),
    "conflict": ConflictError("state", headers={"Retry-After": "1"}),
    "unavailable": UnavailableError("away"),
    "ours": KuvertError("the password is hunter2"),
    "bug": ValueError("hunter2"),
    "full": OSError(errno.ENOSPC, "No space left on device"),
    "locked": OperationalError("UPDATE a SET b=?", ("hunter2",), Exception("database is locked")),
}


@pytest.fixture(scope="module")
def faulty(home: Path) -> Flask:
    app = create_app(make_settings(home))

    @app.get("/raise/<name>")
    def raise_it(name: str) -> str:
        raise RAISED[name]

    @app.get("/abort/<int:code>")
    def abort_it(code: int) -> str:
        abort(code)

    @app.post("/read")
    def read() -> str:
        from flask import request

        request.get_data()
        return "read"

    return app


def test_a_problem_has_all_its_members(faulty: Flask) -> None:
    answer = faulty.test_client().get("/raise/input", headers={"X-Request-ID": "abc-1"})

    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert answer.json == {
        "type": "urn:kuvert:problem:invalid",
        "title": "The request breaks a rule",
        "status": 422,
        "detail": "wrong",
        "request_id": "abc-1",
        "errors": [{"pointer": "/a", "rule": "rule", "message": "why"}],
    }


def test_a_place_in_xml_is_an_xpath(faulty: Flask) -> None:
    answer = faulty.test_client().get("/raise/xpath")

    assert answer.get_json()["errors"][0]["xpath"] == "/Invoice/ID"


@pytest.mark.parametrize(
    ("name", "status", "slug", "retry_after"),
    [
        ("conflict", 409, "conflict", "1"),
        ("unavailable", 503, "unavailable", "5"),
        ("ours", 500, "internal", None),
        ("bug", 500, "internal", None),
        ("locked", 503, "unavailable", "5"),
        ("full", 507, "storage-full", "5"),
    ],
)
def test_an_error_keeps_its_status_and_headers(
    faulty: Flask, name: str, status: int, slug: str, retry_after: str | None
) -> None:
    answer = faulty.test_client().get(f"/raise/{name}")

    assert answer.status_code == answer.get_json()["status"] == status
    assert answer.get_json()["type"] == f"urn:kuvert:problem:{slug}"
    assert answer.headers.get("Retry-After") == retry_after


@pytest.mark.parametrize("name", ["ours", "bug", "locked"])
def test_what_went_wrong_here_is_not_told(faulty: Flask, name: str) -> None:
    assert "hunter2" not in faulty.test_client().get(f"/raise/{name}").text


def test_an_unexpected_error_is_logged_with_its_request(
    faulty: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    answer = faulty.test_client().get("/raise/bug")

    [record] = [record for record in caplog.records if record.message == "request failed"]
    assert record.__dict__["request_id"] == answer.get_json()["request_id"]
    assert record.exc_info is not None


def test_a_database_that_is_away_is_logged_without_parameters(
    faulty: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    faulty.test_client().get("/raise/locked")

    [record] = [record for record in caplog.records if record.message == "database away"]
    assert record.levelno == logging.ERROR
    assert record.__dict__["error"] == "database is locked"
    assert record.exc_info is None


def test_an_unknown_address_is_a_problem(faulty: Flask) -> None:
    answer = faulty.test_client().get("/api/v1/nothing")

    assert answer.status_code == 404
    assert answer.get_json()["type"] == "urn:kuvert:problem:not-found"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "TRACE", "POST", "PATCH"])
def test_a_wrong_method_is_told_the_right_ones(faulty: Flask, method: str) -> None:
    answer = faulty.test_client().open("/healthz", method=method)

    assert answer.status_code == 405
    assert answer.get_json()["type"] == "urn:kuvert:problem:method-not-allowed"
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_a_body_over_10_mb_is_refused(faulty: Flask) -> None:
    answer = faulty.test_client().post("/read", data=b"x" * (10 * 1024 * 1024 + 1))

    assert answer.status_code == 413
    assert answer.get_json()["detail"] == "Limit is 10 MB"


@pytest.mark.parametrize("code", [400, 403, 409, 415, 418, 429, 431])
def test_whatever_is_aborted_is_a_problem(faulty: Flask, code: int) -> None:
    answer = faulty.test_client().get(f"/abort/{code}")

    assert answer.status_code == answer.get_json()["status"] == code
    assert answer.content_type == "application/problem+json"
