"""docs/reference/service.md is what the OpenAPI document says, receipts are what their schema says.

LLMSYNC_UPDATE_GOLDEN=1 rewrites the page.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import jsonschema
from net import KEY, TRUSTED, MemorySource

from toolkit.delivery.manifest import digest
from toolkit.delivery.model import Coding, Counters, Receipt, ReceiverResult, Standing
from toolkit.delivery.receipts import Own, Told, own_receipt, receipt_document, receiver_receipt
from toolkit.service.openapi import document

DOCS = Path(__file__).parent.parent / "docs" / "reference"
PAGE = DOCS / "service.md"
HEAD = """\
# The service's API

Generated from its OpenAPI document, which every service serves at `/openapi.json`.
How to run one: [how-to](../how-to/service.md).

`Authorization: Bearer TOKEN`, or a client certificate; a browser's WebSocket offers the
subprotocols `llmsync.v1` and `bearer.TOKEN`. Errors are `application/problem+json` (RFC 9457);
besides those listed every route may answer 408, 421 and 500, and 401, 403 and 429 where it has
roles. Ranges are single (RFC 9110 section 14): several at once are answered with the whole file.

"""


def lines() -> Iterator[str]:
    found = document()
    for path, ways in found["paths"].items():
        for method, operation in ways.items():
            yield f"## {method.upper()} {path}\n\n{operation['summary']}.\n"
            said = [operation.get("description", "Roles: everybody.")]
            given = operation.get("parameters", ())
            said += [f"`?{p['name']}=`: {p['description']}." for p in given if p["in"] == "query"]
            headers = [p["name"] for p in given if p["in"] == "header"]
            if headers:
                said.append(f"Headers: {', '.join(headers)}.")
            if "requestBody" in operation:
                said.append(f"Body: {reference(operation['requestBody']['content'])}.")
            yield " ".join(said) + "\n"
            answers = []
            for status, answer in sorted(operation["responses"].items()):
                if int(status) in (401, 403, 408, 421, 429, 500):
                    continue
                kind = reference(answer.get("content", {})) if int(status) < 400 else ""
                told = kind or answer["description"] or HTTPStatus(int(status)).phrase
                answers.append(f"{status} {told}")
            yield f"Answers: {'; '.join(answers)}.\n"
    yield "# Models\n"
    for name, schema in sorted(found["components"]["schemas"].items()):
        if "enum" in schema:
            yield f"**{name}**: {', '.join(f'`{v}`' for v in schema['enum'])}.\n"
            continue
        yield f"**{name}**: {schema.get('description', '').splitlines()[0]}\n"
        yield "| member | type | what |\n|---|---|---|"
        required = schema.get("required", ())
        for member, told in schema["properties"].items():
            optional = "" if member in required else " (optional)"
            what = " ".join(told.get("description", "").split())
            yield f"| `{member}` | {kind_of(told)}{optional} | {what} |"
        yield ""


def reference(content: dict[str, Any]) -> str:
    for kind, told in content.items():
        found = told.get("schema", {}).get("$ref", "")
        return str(found.rpartition("/")[2] or f"`{kind}`")
    return ""


def kind_of(told: dict[str, Any]) -> str:
    if "$ref" in told:
        return str(told["$ref"].rpartition("/")[2])
    if "anyOf" in told:
        return " or ".join(kind_of(t) for t in told["anyOf"])
    if told.get("type") == "array":
        return f"list of {kind_of(told['items'])}"
    if "const" in told:
        return f"`{json.dumps(told['const'])}`"
    if "additionalProperties" in told:
        return f"object of {kind_of(told['additionalProperties'])}"
    pattern = told.get("pattern", "").replace("|", "\\|")
    return f"{told['type']} `{pattern}`" if pattern else str(told["type"])


def test_the_reference_is_what_the_document_says() -> None:
    page = HEAD + "\n".join(lines()).rstrip() + "\n"
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page, "make golden rewrites it"


def test_receipts_are_what_their_schema_says() -> None:
    schema = json.loads((DOCS / "receipt.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    manifest = MemorySource({"a": b"x"}, Coding(symbol=64)).manifest
    receipt = Receipt(
        receiver="fra", manifest=digest(manifest.encode()), files=1, bytes=1, repaired=0,
        duplicates=0, polluted=0, first_byte=0.1, last_byte=0.1, verified=0.1,
    )  # fmt: skip
    results = [ReceiverResult(receiver="lon", standing=s) for s in Standing]
    complete = ReceiverResult(receiver="fra", standing=Standing.COMPLETE, receipt=receipt)
    for role, rows in (
        ("sender", [receiver_receipt(r) for r in (*results, complete)]),
        ("receiver", [own_receipt(receipt, Counters(), Own(completed=0.2, device="cpu"))]),
    ):
        told = Told(
            role=role, version="1", tsi=7, manifest=manifest, signing_key=TRUSTED,  # type: ignore[arg-type]
            began="2026-11-30T00:00:00.000000Z", ended="2026-11-30T00:00:01.000000Z",
            counters={"packets": 1},
        )  # fmt: skip
        found = json.loads(receipt_document(told, rows))
        jsonschema.validate(found, schema)
        assert set(found["receipt"][0]) <= set(
            schema["properties"]["receipt"]["items"]["properties"]
        )
    assert KEY.public_key().public_bytes_raw() == TRUSTED
