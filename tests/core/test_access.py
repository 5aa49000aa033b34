"""Who may call: keys in the Authorization header alone."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core import access
from core.access import Caller, caller, refused
from core.db import unit_of_work
from core.editing import By
from core.errors import ForbiddenError, UnauthenticatedError
from core.ids import new_id
from invoices.access import revoke
from tests.support.factories import SourceWithKey, add_source

ADDRESS = "/api/v1/invoices"


def answer_without_id(client: FlaskClient, authorization: str | None) -> tuple[int, object, object]:
    headers = {"Authorization": authorization} if authorization is not None else {}
    answer = client.get(ADDRESS, headers=headers)
    body = answer.get_json()
    body.pop("request_id")
    return answer.status_code, body, answer.headers.get("WWW-Authenticate")


def test_a_right_key_is_let_in(client: FlaskClient, source: SourceWithKey) -> None:
    assert client.get(ADDRESS, headers=source.headers).status_code == 200


def test_the_scheme_may_be_written_in_any_case(client: FlaskClient, api_key: str) -> None:
    answer = client.get(ADDRESS, headers={"Authorization": f"bearer  {api_key}"})

    assert answer.status_code == 200


def test_no_key_a_wrong_one_and_a_revoked_one_get_the_same_answer(
    client: FlaskClient, source: SourceWithKey
) -> None:
    wrong_secret = source.key[:-4] + ("0000" if source.key[-4:] != "0000" else "1111")
    with unit_of_work() as connection:
        revoke(connection, source.key.split("_")[2], By("anna"))

    answers = [
        answer_without_id(client, authorization)
        for authorization in (
            None,
            "",
            "Bearer",
            "Bearer ",
            "Basic dXNlcjpwYXNz",
            "Bearer nonsense",
            "Bearer \xff\xfe",
            f"Bearer {wrong_secret}",
            f"Bearer {source.key.replace('_test_', '_live_')}",
            f"Bearer kv_test_{'0' * 12}_{'0' * 64}",
            f"Bearer {source.key} {source.key}",
            f"Bearer {source.key}",
        )
    ]

    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0] == 401
    assert answers[0][2] == "Bearer"


@pytest.mark.parametrize("name", ["api_key", "apikey", "access_token", "key", "token", "buyer"])
def test_a_key_in_the_query_string_is_refused(
    client: FlaskClient, source: SourceWithKey, name: str
) -> None:
    answer = client.get(f"{ADDRESS}?{name}={source.key}", headers=source.headers)

    assert answer.status_code == 401
    assert answer.get_json()["detail"] == "Send the key in the Authorization header"


def test_a_scope_that_the_key_lacks_is_named(client: FlaskClient) -> None:
    narrow = add_source(scopes=("events:read",))

    answer = client.get(ADDRESS, headers=narrow.headers)

    assert answer.status_code == 403
    assert "invoices:read" in answer.get_json()["detail"]


def test_a_key_with_the_scope_is_let_in(client: FlaskClient) -> None:
    narrow = add_source(scopes=("invoices:read",))

    assert client.get(ADDRESS, headers=narrow.headers).status_code == 200


def test_the_caller_is_what_the_registered_authenticator_says(app: Flask) -> None:
    known = Caller(
        source_id=new_id(),
        source_name="erp",
        environment="live",
        scopes=frozenset({"invoices:read"}),
        key_prefix="0" * 12,
    )

    def authenticate(token: str) -> Caller:
        if token != "right":
            raise refused()
        return known

    before = list(access._registered)
    access.register(authenticate)
    try:
        with app.test_request_context(headers={"Authorization": "Bearer right"}):
            assert caller() is known
            assert caller("invoices:read") is known
            with pytest.raises(ForbiddenError):
                caller("invoices:write")
        with (
            app.test_request_context(headers={"Authorization": "Bearer wrong"}),
            pytest.raises(UnauthenticatedError),
        ):
            caller()
    finally:
        access._registered[:] = before
