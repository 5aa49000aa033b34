"""The description of the API says what is served, and the page that shows it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from werkzeug.test import TestResponse

from core import openapi
from core.app import PACKAGES
from core.ids import new_id
from invoices.access import SCOPES
from tests.support.factories import (
    SourceWithKey,
    add_event,
    add_invoice,
    add_source,
    add_subscription,
    client_of,
    invoice_json,
)

METHODS = {"get", "put", "post", "delete", "patch"}


@pytest.fixture
def spec(client: FlaskClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").get_json()
    return found


def operations_of(spec: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, place in spec["paths"].items():
        for method in METHODS & place.keys():
            yield method.upper(), path, place[method]


def check_answer(
    spec: dict[str, Any], path: str, answer: TestResponse, method: str = "get"
) -> None:
    """Assert that an answer has the shape that the description promises."""
    described = spec["paths"][path][method]["responses"][str(answer.status_code)]
    schema = described["content"][answer.mimetype]["schema"]
    whole = {**schema, "components": spec["components"]}
    problems = [error.message for error in OAS31Validator(whole).iter_errors(answer.json)]
    assert problems == []


# The description


def test_it_is_valid_openapi_3_1(spec: dict[str, Any]) -> None:
    validate(spec)

    assert spec["openapi"] == "3.1.0"


def test_it_holds_every_route_and_no_other(app: Flask, spec: dict[str, Any]) -> None:
    served = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(("/api/v1", "/callbacks"))
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }

    assert {(method, path) for method, path, _ in operations_of(spec)} == served
    assert ("POST", "/callbacks/{provider}") in served


def test_every_described_operation_is_served(app: Flask) -> None:
    endpoints = {rule.endpoint for rule, _ in openapi.routes(app)}

    assert set(openapi.operations(PACKAGES)) == endpoints


def test_every_operation_is_told_apart_and_summed_up(spec: dict[str, Any]) -> None:
    operations = [operation for *_, operation in operations_of(spec)]

    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["summary"] for operation in operations)


def test_every_operation_may_answer_with_a_problem(spec: dict[str, Any]) -> None:
    for method, path, operation in operations_of(spec):
        answers = operation["responses"]
        for status in ("400", "401", "422", "500", "503"):
            content = answers[status]["content"]
            assert list(content) == ["application/problem+json"], (method, path)
        if "requestBody" in operation:
            assert {"400", "413", "415"} <= answers.keys(), (method, path)


def test_it_lists_the_types_of_problems(spec: dict[str, Any]) -> None:
    for slug in ("invalid", "not-found", "conflict", "storage-full", "method-not-allowed"):
        assert f"`urn:kuvert:problem:{slug}`" in spec["info"]["description"]


def test_only_callbacks_come_without_a_key(spec: dict[str, Any]) -> None:
    open_paths = {path for _, path, operation in operations_of(spec) if "security" in operation}

    assert open_paths == {"/callbacks/{provider}"}
    assert spec["security"] == [{"key": []}]


def test_bodies_are_those_of_the_models(spec: dict[str, Any]) -> None:
    body = spec["paths"]["/api/v1/invoices"]["post"]["requestBody"]
    invoice = spec["components"]["schemas"]["JsonInvoice"]

    assert body["content"]["application/json"]["schema"]["$ref"].endswith("/JsonInvoice")
    assert "application/xml" in body["content"]
    assert invoice["additionalProperties"] is False
    assert {"number", "issue_date", "currency", "payable_amount"} <= set(invoice["required"])


def test_the_scopes_it_names_are_those_that_count(app: Flask, spec: dict[str, Any]) -> None:
    all_scopes = client_of(app, add_source(scopes=SCOPES).key)

    for rule, method in openapi.routes(app):
        scope = openapi.operations(PACKAGES)[rule.endpoint].scope
        if scope is None:
            continue
        address = re.sub(r"<\w+>", str(new_id()), rule.rule)
        others = tuple(name for name in SCOPES if name != scope)
        refused = client_of(app, add_source(scopes=others).key).open(address, method=method)
        assert refused.status_code == 403, rule
        assert scope in refused.get_json()["detail"]
        assert all_scopes.open(address, method=method).status_code != 403, rule


def test_answers_have_the_shape_that_is_promised(
    api: FlaskClient, source: SourceWithKey, spec: dict[str, Any]
) -> None:
    subscription, _ = add_subscription(source)
    invoice_id = add_invoice(source, labels={"team": "north"}, delivery={"to": "a@b.example"})
    add_event(source, invoice_id, 2)
    root = "/api/v1/invoices"
    one = root + "/{invoice_id}"
    hook = "/api/v1/subscriptions/{subscription_id}"
    added = api.post("/api/v1/subscriptions", json={"url": "http://127.0.0.1:9/"})

    check_answer(spec, root, api.post(root, json=invoice_json()), "post")
    check_answer(spec, root, api.post(root, json={}), "post")
    check_answer(spec, root, api.post(root, data=b"{", content_type="application/json"), "post")
    check_answer(spec, root, api.get(root))
    check_answer(spec, one, api.get(f"{root}/{invoice_id}"))
    check_answer(spec, one, api.get(f"{root}/{new_id()}"))
    for list_name in ("deliveries", "attempts", "history"):
        check_answer(spec, f"{one}/{list_name}", api.get(f"{root}/{invoice_id}/{list_name}"))
    check_answer(spec, "/api/v1/events", api.get("/api/v1/events"))
    check_answer(spec, "/api/v1/reports/totals", api.get("/api/v1/reports/totals?week=2026-W47"))
    check_answer(spec, "/api/v1/subscriptions", added, "post")
    check_answer(spec, "/api/v1/subscriptions", api.get("/api/v1/subscriptions"))
    check_answer(spec, hook, api.get(f"/api/v1/subscriptions/{subscription}"))
    check_answer(spec, f"{hook}/pushes", api.get(f"/api/v1/subscriptions/{subscription}/pushes"))


def test_it_is_not_sent_twice(client: FlaskClient) -> None:
    etag = client.get("/openapi.json").headers["ETag"]

    assert client.get("/openapi.json", headers={"If-None-Match": etag}).status_code == 304


# The page


def test_the_page_asks_only_us_and_runs_only_files(client: FlaskClient) -> None:
    answer = client.get("/docs")

    assert answer.status_code == 200
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "http" not in answer.text
    assert re.findall(r"<script(?![^>]* src=)", answer.text) == []
    assert re.findall(r"<style|\son\w+=|\sstyle=", answer.text) == []


def test_what_the_page_needs_is_there(client: FlaskClient) -> None:
    needed = re.findall(r'(?:src|href)="([^":]+)"', client.get("/docs").text)

    assert len(needed) == 4
    for address in needed:
        with client.get(f"/{address}") as answer:
            assert answer.status_code == 200, address


@pytest.mark.parametrize("name", ["../LICENSE", "swagger-ui.js.map", "index.html", "..%2fx"])
def test_nothing_else_of_the_package_is_served(client: FlaskClient, name: str) -> None:
    assert client.get(f"/docs/{name}").status_code == 404
