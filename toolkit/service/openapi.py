"""The OpenAPI 3.1 document, made from the table of routes and the models they answer with.

Pure.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from toolkit import __version__
from toolkit.service import model
from toolkit.service.routes import ROUTES, Media, Route

_PARAMETERS = {
    "session": ("Session id: its TSI, eight hexadecimal digits", "^[0-9a-f]{8}$"),
    "receiver": ("Name of a receiver", None),
    "path": ("Path of a file as the manifest lists it; its slashes stay as they are", None),
}
_ALWAYS = (408, 421, 500)
_AUTHENTICATED = (401, 403, 429)
_EXTRA = (model.EventsMessage,)
"""Models that no route answers with: messages of streams."""


def document() -> dict[str, Any]:
    """Return the OpenAPI document of `ROUTES`."""
    _, definitions = models_json_schema(
        [(m, "serialization" if m not in _bodies() else "validation") for m in _models()],
        by_alias=True, ref_template="#/components/schemas/{model}",
    )  # fmt: skip
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "llmsync", "version": __version__,
            "summary": "Sessions of a sender: who has how much, join, leave, abort, receipts",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "certificate": {"type": "mutualTLS"},
            },
        },
    }  # fmt: skip


def _bodies() -> list[type[BaseModel]]:
    return [route.body for route in ROUTES if route.body is not None]


def _models() -> list[type[BaseModel]]:
    found: dict[type[BaseModel], None] = dict.fromkeys(_bodies())
    for route in ROUTES:
        found.update((a, None) for a in route.answers.values() if not isinstance(a, Media))
    found.update(dict.fromkeys((*_EXTRA, model.ProblemDetails)))
    return list(found)


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.tag],
        "responses": {},
    }
    parameters = [_path_parameter(name) for name in re.findall(r"{(\w+)}", route.path)]
    for query in route.query:
        schema: dict[str, Any] = {"type": "string", "maxLength": 1000}
        if query.minimum is not None:
            schema = {"type": "integer", "minimum": query.minimum}
        parameters.append(
            {"name": query.name, "in": "query", "description": query.what, "schema": schema}
        )
    parameters += [
        {"name": name, "in": "header", "schema": {"type": "string"}} for name in route.headers
    ]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _reference(route.body)}},
        }
    if route.roles:
        operation["description"] = f"Roles: {', '.join(sorted(route.roles))}."
        operation["security"] = [{"token": []}, {"certificate": []}]
    for status, answer in route.answers.items():
        operation["responses"][str(status)] = _response(status, answer)
    refuses = {*_ALWAYS, *route.refuses, *(_AUTHENTICATED if route.roles else ())}
    for status in sorted(refuses):
        operation["responses"][str(status)] = _refusal(status)
    return operation


def _path_parameter(name: str) -> dict[str, Any]:
    what, pattern = _PARAMETERS[name]
    schema = {"type": "string"} | ({"pattern": pattern} if pattern else {})
    return {"name": name, "in": "path", "required": True, "description": what, "schema": schema}


def _response(status: int, answer: type[BaseModel] | Media) -> dict[str, Any]:
    if isinstance(answer, Media):
        response: dict[str, Any] = {"description": answer.what}
        if answer.kind:
            response["content"] = {answer.kind: {}}
        return response
    return {
        "description": HTTPStatus(status).phrase,
        "content": {"application/json": {"schema": _reference(answer)}},
    }


def _refusal(status: int) -> dict[str, Any]:
    if status < 400:
        return {"description": HTTPStatus(status).phrase}
    return {
        "description": HTTPStatus(status).phrase,
        "content": {"application/problem+json": {"schema": _reference(model.ProblemDetails)}},
    }


def _reference(kind: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}
