"""The description of the API (OpenAPI 3.1.0), built from its routes.

Paths, methods, summaries and path parameters come from the routes themselves, so that they
cannot differ from what is served. What a route does not say, its body, answers, scope and query,
stands as an `Operation` in the `api_spec` module of its package.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib import import_module
from inspect import getdoc
from typing import Annotated, Any, Generic, NotRequired, TypeVar
from urllib.parse import urlsplit

from flask import Flask
from pydantic import Field, TypeAdapter, WithJsonSchema
from pydantic.json_schema import JsonSchemaMode
from typing_extensions import TypedDict
from werkzeug.routing import Rule

from core.problems import MEDIA_TYPE, PREFIX, known

PREFIXES = ("/api/v1/", "/callbacks/")
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_TEMPLATE = "#/components/schemas/{model}"

Schema = dict[str, Any]
Item = TypeVar("Item")

Id = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Day = Annotated[str, WithJsonSchema({"type": "string", "format": "date"})]
Limit = Annotated[int, Field(ge=1, le=200, default=50)]
Sealed = Annotated[str, WithJsonSchema({"type": "string", "minLength": 32, "maxLength": 32})]
Raw = Annotated[str, WithJsonSchema({})]
"""Bytes in a format of their own, such as XML."""

PAGING: Mapping[str, object] = {"limit": Limit, "cursor": Sealed}


class Page(TypedDict, Generic[Item]):
    """One page of a list; `next` is the cursor of the following one, null at the end."""

    items: list[Item]
    next: str | None


class Place(TypedDict):
    """One broken rule, and where: a JSON pointer (RFC 6901) or an XPath."""

    rule: str
    message: str
    pointer: NotRequired[str]
    xpath: NotRequired[str]


class Problem(TypedDict):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str | None
    errors: NotRequired[list[Place]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What a route does not say about itself.

    `bodies` and `answers` hold types by media type and by status (None: no content); `query`
    holds types by parameter. `problems` come beside those that every route may answer with.
    """

    answers: Mapping[int, object]
    scope: str | None = None
    has_key: bool = True
    bodies: Mapping[str, object] = field(default_factory=dict)
    query: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    answer_media_types: tuple[str, ...] = ("application/json",)
    problems: tuple[int, ...] = ()


UNKNOWN = Operation(answers={200: None})
"""Of a route that nobody described; the tests let none pass, and the others are still shown."""

IF_MATCH = {"If-Match": "Refuse with 412 when the row is at another version than this ETag."}
LINK = {"Link": 'Where the next page is (RFC 8288), rel="next"; absent at the end.'}
ETAG = {"ETag": "The version, for If-Match and If-None-Match."}
LOCATION = {"Location": "Where the new thing is."}


def operations(packages: Iterable[str]) -> dict[str, Operation]:
    """Collect the operations of all packages by endpoint."""
    found: dict[str, Operation] = {}
    for package in packages:
        found |= import_module(f"{package}.api_spec").OPERATIONS
    return found


def build(app: Flask, described: Mapping[str, Operation], public_url: str) -> Schema:
    """Return the description of every route of the API that `app` serves."""
    schemas = _Schemas(described.values())
    paths: dict[str, Schema] = {}
    for rule, method in routes(app):
        place = paths.setdefault(_PARAMETER.sub(r"{\1}", rule.rule), {})
        view = app.view_functions[rule.endpoint]
        about = getdoc(view) or rule.endpoint
        place[method.lower()] = _operation(
            rule, about, described.get(rule.endpoint, UNKNOWN), schemas
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Kuvert",
            "version": "1",
            "description": _about(),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        # Without the host: so the page can try calls out wherever it was opened from.
        "servers": [{"url": urlsplit(public_url).path or "/"}],
        "security": [{"key": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "kv_<live|test>_<prefix>_<secret>",
                    "description": "An API key, made with `manage.py key add`.",
                }
            },
        },
    }


def _about() -> str:
    rows = "".join(f"| `{PREFIX}{slug}` | {title} |\n" for slug, title in known().items())
    return (
        "Hand invoices over, follow them, and hear what becomes of them.\n\n"
        "Errors are problem details (RFC 9457). Their `type` is one of these, or one that a route"
        f" names:\n\n| type | title |\n|---|---|\n{rows}"
    )


def routes(app: Flask) -> Iterator[tuple[Rule, str]]:
    """Go through the API's routes, one method at a time."""
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(PREFIXES):
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield rule, method


class _Schemas:
    """JSON schemas of all types that are used, named types once under `components`."""

    def __init__(self, described: Iterable[Operation]) -> None:
        kinds: list[Any] = [Problem]
        for one in described:
            used = (*one.bodies.values(), *one.answers.values(), *one.query.values())
            kinds += [kind for kind in used if kind is not None and kind not in kinds]
        self._kinds = kinds
        inputs: list[tuple[int, JsonSchemaMode, TypeAdapter[Any]]] = [
            (number, "validation", TypeAdapter(kind)) for number, kind in enumerate(kinds)
        ]
        found, definitions = TypeAdapter.json_schemas(inputs, ref_template=_TEMPLATE)
        self._found = {number: schema for (number, _), schema in found.items()}
        self.components: dict[str, Schema] = definitions.get("$defs", {})

    def of(self, kind: object) -> Schema:
        """Return the schema of a type, or the reference to it."""
        return dict(self._found[self._kinds.index(kind)])


def _operation(rule: Rule, about: str, described: Operation, schemas: _Schemas) -> Schema:
    summary, _, more = about.partition("\n")
    found: Schema = {
        "operationId": rule.endpoint.replace(".", "_"),
        "tags": [rule.endpoint.partition(".")[0]],
        "summary": summary.rstrip("."),
        "description": "\n\n".join(_described(more.strip(), described.scope)),
        "parameters": [*_path(rule), *_query(described, schemas), *_headers(described)],
        "responses": _responses(rule, described, schemas),
    }
    if described.bodies:
        found["requestBody"] = {
            "required": True,
            "content": {
                media_type: {"schema": schemas.of(kind)}
                for media_type, kind in described.bodies.items()
            },
        }
    if not described.has_key:
        found["security"] = []
    return {name: value for name, value in found.items() if value or name == "security"}


def _described(more: str, scope: str | None) -> Iterator[str]:
    if more:
        yield more
    if scope:
        yield f"Needs the scope `{scope}`, where the key is limited to scopes."


def _path(rule: Rule) -> Iterator[Schema]:
    for name in _PARAMETER.findall(rule.rule):
        schema = (
            {"type": "string", "format": "uuid"} if name.endswith("_id") else {"type": "string"}
        )
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query(described: Operation, schemas: _Schemas) -> Iterator[Schema]:
    for name, kind in described.query.items():
        yield {"name": name, "in": "query", "schema": schemas.of(kind)}


def _headers(described: Operation) -> Iterator[Schema]:
    for name, about in described.headers.items():
        yield {"name": name, "in": "header", "description": about, "schema": {"type": "string"}}


def _responses(rule: Rule, described: Operation, schemas: _Schemas) -> Schema:
    good = {
        str(status): _good(status, kind, described, schemas)
        for status, kind in described.answers.items()
    }
    content = {MEDIA_TYPE: {"schema": schemas.of(Problem)}}
    bad = {
        str(status): {"description": HTTPStatus(status).phrase, "content": content}
        for status in sorted(_problems(rule, described))
    }
    return good | bad


def _good(status: int, kind: object, described: Operation, schemas: _Schemas) -> Schema:
    answer: Schema = {"description": HTTPStatus(status).phrase}
    if kind is not None:
        types = described.answer_media_types
        answer["content"] = {media_type: {"schema": schemas.of(kind)} for media_type in types}
    if described.answer_headers:
        answer["headers"] = {
            name: {"description": about, "schema": {"type": "string"}}
            for name, about in described.answer_headers.items()
        }
    return answer


def _problems(rule: Rule, described: Operation) -> set[int]:
    """Return the statuses of the problems that a route can answer with."""
    found = {400, 415, 422, 500, 503, *described.problems}
    if described.has_key:
        found |= {401, 403, 429}
    if _PARAMETER.search(rule.rule):
        found.add(404)
    if described.bodies:
        found |= {413, 507}
    if "If-Match" in described.headers:
        found.add(412)
    return found
