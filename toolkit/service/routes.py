"""The API as a table: what the server serves and what its OpenAPI document says are both this.

Pure, but for the handlers that it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import BaseModel

from toolkit.service import model
from toolkit.service.tokens import Role


class Tag(StrEnum):
    """What a route is about."""

    SESSIONS = "sessions"
    RECEIVERS = "receivers"
    CONTENT = "content"
    OBSERVATION = "observation"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Media:
    """An answer that is no JSON of ours."""

    kind: str
    what: str


@dataclass(frozen=True, slots=True)
class Query:
    """A parameter after the question mark."""

    name: str
    what: str
    minimum: int | None = None
    """A whole number from here on; None: text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path."""

    method: str
    path: str
    name: str
    """Operation id, and the handler's name in `toolkit.service.handlers`."""
    summary: str
    tag: Tag
    roles: frozenset[Role]
    """Who may; empty: everybody."""
    answers: Mapping[int, type[BaseModel] | Media]
    body: type[BaseModel] | None = None
    query: tuple[Query, ...] = ()
    headers: tuple[str, ...] = ()
    """Request headers that matter here."""
    stream: bool = False
    """It takes as long as it takes."""
    refuses: tuple[int, ...] = field(default=())
    """Statuses of problems, beside those that every route has."""


ANYBODY: frozenset[Role] = frozenset()
LOOK = frozenset({Role.READER, Role.OPERATOR})
TAKE = frozenset({Role.RECEIVER, Role.OPERATOR})
SEE = frozenset(Role)
STEER = frozenset({Role.OPERATOR})
JOIN = frozenset({Role.RECEIVER})

_ONE = "/v1/sessions/{session}"
_RANGE = ("Range", "If-Range", "If-Match", "If-None-Match")

ROUTES: tuple[Route, ...] = (
    Route(
        method="GET", path="/", name="page", tag=Tag.SERVICE, roles=ANYBODY,
        summary="The live page", answers={200: Media("text/html", "The page")},
    ),
    Route(
        method="GET", path="/healthz", name="health", tag=Tag.SERVICE, roles=ANYBODY,
        summary="Whether the service is there", answers={200: model.Health},
    ),
    Route(
        method="GET", path="/openapi.json", name="openapi", tag=Tag.SERVICE, roles=ANYBODY,
        summary="This document", answers={200: Media("application/json", "OpenAPI 3.1")},
    ),
    Route(
        method="GET", path="/metrics", name="metrics", tag=Tag.OBSERVATION, roles=LOOK,
        summary="Metrics for Prometheus", answers={200: Media("text/plain", "Text format 0.0.4")},
    ),
    Route(
        method="GET", path="/v1/sessions", name="list_sessions", tag=Tag.SESSIONS, roles=SEE,
        summary="All sessions", answers={200: model.SessionList},
    ),
    Route(
        method="GET", path=_ONE, name="show_session", tag=Tag.SESSIONS, roles=SEE,
        summary="One session", answers={200: model.SessionView}, refuses=(404,),
    ),
    Route(
        method="POST", path=f"{_ONE}/abort", name="abort_session", tag=Tag.SESSIONS, roles=STEER,
        summary="End a session for all; nothing incomplete is placed anywhere",
        body=model.AbortRequest, answers={200: model.Done}, refuses=(400, 404, 409, 413, 415, 503),
    ),
    Route(
        method="GET", path=f"{_ONE}/receivers", name="list_receivers", tag=Tag.RECEIVERS,
        roles=LOOK, summary="The receivers of a session", answers={200: model.ReceiverList},
        refuses=(404,),
    ),
    Route(
        method="POST", path=f"{_ONE}/receivers", name="join", tag=Tag.RECEIVERS, roles=JOIN,
        summary="Join: what a receiver needs to know, and its bit is set",
        body=model.JoinRequest, answers={201: model.JoinAnswer},
        refuses=(400, 404, 409, 413, 415, 503),
    ),
    Route(
        method="GET", path=f"{_ONE}/receivers/{{receiver}}", name="show_receiver",
        tag=Tag.RECEIVERS, roles=SEE, summary="One receiver; a receiver sees itself",
        answers={200: model.ReceiverView}, refuses=(404,),
    ),
    Route(
        method="DELETE", path=f"{_ONE}/receivers/{{receiver}}", name="leave", tag=Tag.RECEIVERS,
        roles=TAKE, summary="Leave (a receiver itself) or evict (an operator)",
        query=(Query("reason", "Why; told to the receiver's operator"),),
        answers={200: model.Done}, refuses=(404, 409, 503),
    ),
    Route(
        method="GET", path=f"{_ONE}/events", name="list_events", tag=Tag.OBSERVATION, roles=LOOK,
        summary="What has happened", query=(Query("after", "Only later events", 0),),
        answers={200: model.EventList}, refuses=(400, 404),
    ),
    Route(
        method="GET", path=f"{_ONE}/receipts", name="list_receipts", tag=Tag.OBSERVATION,
        roles=LOOK, summary="What every receiver has proven to hold",
        answers={200: model.ReceiptList}, refuses=(404,),
    ),
    Route(
        method="GET", path=f"{_ONE}/manifest", name="manifest", tag=Tag.CONTENT, roles=SEE,
        summary="The signed manifest, a DSSE envelope",
        answers={200: Media("application/json", "DSSE envelope")}, refuses=(404,),
    ),
    Route(
        method="GET", path=f"{_ONE}/digests/{{path}}", name="digests", tag=Tag.CONTENT, roles=TAKE,
        summary="BLAKE3 digests of a file's blocks, 32 bytes each; their BLAKE3 is its root",
        answers={200: Media("application/octet-stream", "Digests")}, refuses=(404,),
    ),
    Route(
        method="GET", path=f"{_ONE}/files/{{path}}", name="file", tag=Tag.CONTENT, roles=TAKE,
        summary="A file, or a range of it; its root digest is the ETag",
        headers=_RANGE, stream=True,
        answers={
            200: Media("application/octet-stream", "The file"),
            206: Media("application/octet-stream", "The range"),
        },
        refuses=(304, 404, 409, 412, 416, 503),
    ),
    Route(
        method="HEAD", path=f"{_ONE}/files/{{path}}", name="file_head", tag=Tag.CONTENT, roles=TAKE,
        summary="Size and root digest of a file", headers=_RANGE, stream=True,
        answers={200: Media("", "As GET, without content"), 206: Media("", "As GET")},
        refuses=(304, 404, 412, 416),
    ),
    Route(
        method="GET", path=f"{_ONE}/feedback", name="feedback", tag=Tag.RECEIVERS, roles=JOIN,
        summary="WebSocket: control messages of a receiver as binary frames", stream=True,
        answers={101: Media("", "Switching to WebSocket")}, refuses=(400, 404),
    ),
    Route(
        method="GET", path="/v1/events", name="events", tag=Tag.OBSERVATION, roles=LOOK,
        summary="WebSocket: EventsMessage as JSON whenever there is news", stream=True,
        answers={101: Media("", "Switching to WebSocket; then EventsMessage in text frames")},
        refuses=(400, 503),
    ),
)  # fmt: skip
