"""Taking invoices in over HTTP."""

from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify, request
from flask.typing import ResponseReturnValue

from core import strict_json
from core.access import Caller, caller
from core.bodies import read_body
from core.db import unit_of_work
from core.errors import InputError, KuvertError, MediaTypeError, UnreadableError
from invoices import readers
from invoices.routes import bp
from invoices.services import idempotency, intake

SCOPE = "invoices:write"
OPERATION = "POST /api/v1/invoices"


@bp.post("/invoices")
def accept_invoice() -> ResponseReturnValue:
    """Take one invoice in, as JSON or as XML."""
    source = caller(SCOPE)
    body = read_body()
    repeat = _repeat(source, body)
    # Read before the transaction begins: on SQLite it holds the one write lock.
    new = readers.read(body, request.mimetype, request.args)
    with unit_of_work() as connection:
        known = idempotency.recall(connection, repeat) if repeat else None
        if known is not None:
            return _answer(known.status_code, known.body, replayed=True)
        accepted = intake.accept(connection, source.source_id, source.environment, new)
        status_code, answer = (202 if accepted.is_new else 200), accepted.to_json()
        if repeat:
            idempotency.remember(connection, repeat, status_code, answer)
    return _answer(status_code, answer)


@bp.post("/invoices/batch")
def accept_batch() -> ResponseReturnValue:
    """Take up to 1,000 invoices in, as NDJSON or as a JSON array; one result per item."""
    source = caller(SCOPE)
    body = read_body()
    read = readers.read_batch(_items(body))
    news = [item for item in read if not isinstance(item, KuvertError)]
    with unit_of_work() as connection:
        stored = iter(intake.accept_many(connection, source.source_id, source.environment, news))
    ends = [item if isinstance(item, KuvertError) else next(stored) for item in read]
    return jsonify({"results": [_result(index, end) for index, end in enumerate(ends)]})


@bp.post("/invoices/validate")
def validate_invoice() -> ResponseReturnValue:
    """Say what is wrong with an invoice; stores nothing."""
    caller()
    try:
        readers.read(read_body(), request.mimetype, request.args)
    except InputError as error:
        findings = error.findings
        return jsonify({"valid": False, "findings": [item.to_json() for item in findings]})
    return jsonify({"valid": True, "findings": []})


def _repeat(source: Caller, body: bytes) -> idempotency.Request | None:
    """Return what the Idempotency-Key asks for; None without one."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    # XML carries part of what is asked in the query; another query is another request.
    asked = body + b"\n" + request.query_string if request.query_string else body
    return idempotency.Request.of(source.source_id, OPERATION, key, asked)


def _answer(status_code: int, body: Mapping[str, Any], *, replayed: bool = False) -> Response:
    response = jsonify(body)
    response.status_code = status_code
    response.headers["Location"] = f"/api/v1/invoices/{body['id']}"
    if replayed:
        response.status_code = 200
        response.headers["Idempotency-Replayed"] = "true"
    return response


def _items(body: bytes) -> list[bytes]:
    """Cut a batch into the bytes of its items."""
    if not body.strip():
        raise UnreadableError("The request has no body")
    if request.mimetype == "application/json":
        return strict_json.split_array(body)
    if request.mimetype in {"application/x-ndjson", "application/ndjson", "application/jsonl"}:
        return strict_json.split_lines(body)
    raise MediaTypeError("Send application/x-ndjson or application/json")


def _result(index: int, end: intake.Accepted | KuvertError) -> dict[str, Any]:
    """Return the result of one item: `code` is what the single call would have answered."""
    if isinstance(end, KuvertError):
        problem = {
            "title": end.title,
            "detail": end.detail,
            "errors": [finding.to_json() for finding in end.findings],
        }
        return {"index": index, "code": end.status_code, "problem": problem}
    return {"index": index, "code": 202 if end.is_new else 200, **end.to_json()}
