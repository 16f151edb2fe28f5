"""What the HTTP API takes and answers: the models that handlers, OpenAPI and tests share.

Pure values.  Sizes are bytes, rates bit/s, durations seconds after the session's start; moments are
seconds since the epoch.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from toolkit.delivery.model import Standing
from toolkit.delivery.progress import Cohort
from toolkit.service.offer import Kind

Hex32 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ProblemDetails(Model):
    """Why a request was not answered (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    """What is wrong, and in brackets what to do."""


class Health(Model):
    """The service is there; whether its sessions are well is in them."""

    status: Literal["ok"] = "ok"
    version: str
    sessions: Count


class SessionView(Model):
    """A session now."""

    id: Annotated[str, Field(pattern="^[0-9a-f]{8}$")]
    delivery: str
    tsi: Annotated[int, Field(ge=1, lt=1 << 32)]
    begun: float
    size: Count
    files: Count
    manifest: Hex32
    """BLAKE3 of the manifest."""
    signing_key: Hex32
    sealed: bool
    elapsed: Seconds
    rate: Count
    sending: float
    packets: Count
    repairs: Count
    late: Count
    bytes_read: Count
    https_bytes: Count
    """Bytes of files that were fetched over HTTPS."""
    receivers: Count
    standings: dict[Standing, Count]
    """Receivers by how they stand."""
    finished: bool
    failure: str
    watched: bool
    """False: the figures are those of an earlier moment, because publishing has failed."""


class SessionList(Model):
    """All sessions of this service."""

    sessions: list[SessionView]


class ReceiverView(Model):
    """A receiver now."""

    receiver: str
    region: str
    standing: Standing
    cohort: Cohort
    why: str
    held: Count
    rate: float
    packets: Count
    repairs: Count
    lost: Count
    room: int | None
    rtt: float | None
    joined: float | None
    completed: float | None
    https_bytes: Count
    upstream: Count
    """Control messages that came by WebSocket."""


class ReceiverList(Model):
    """All receivers of a session."""

    receivers: list[ReceiverView]


class EventView(Model):
    """Something that happened."""

    number: Annotated[int, Field(ge=1)]
    at: float
    kind: Kind
    receiver: str
    by: str
    text: str


class EventList(Model):
    """Events in their order."""

    events: list[EventView]
    last: Count
    """Ask for what comes after it next."""


class JoinRequest(Model):
    """A receiver wants to take part."""

    receiver: Annotated[str, Field(min_length=1, max_length=64)]
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """UDP port at which it takes unicast packets, at the address that it speaks to us from; left
    out where its control messages go by UDP, for then it is learnt from them."""


class Endpoint(Model):
    """Where UDP packets go."""

    host: str
    port: Annotated[int, Field(ge=1, le=65535)]


class JoinAnswer(Model):
    """All that a receiver needs."""

    session: str
    receiver: str
    delivery: str
    tsi: Annotated[int, Field(ge=1, lt=1 << 32)]
    control: Endpoint
    """Control messages go there, where UDP does."""
    group: Endpoint | None
    source: str
    """Packets come from there (RFC 4607)."""
    signing_key: Hex32
    """To pin: it must have signed the manifest."""
    manifest: Hex32
    """BLAKE3 of the manifest, to compare."""
    size: Count
    files: Count
    rate: Count
    seal_key: Annotated[str, Field(pattern="^([0-9a-f]{2})+$")] | None
    """Opens the blocks, where the session is sealed."""
    control_key: Hex32 | None
    """Makes the authentication codes of this receiver's control messages, where they are asked
    for; not needed on the WebSocket."""
    feedback: str
    """Path of the WebSocket that takes control messages where UDP is not let through."""


class AbortRequest(Model):
    """Why a session is ended."""

    reason: Annotated[str, Field(min_length=1, max_length=200)] = "aborted by an operator"


class Done(Model):
    """A command was obeyed."""

    session: str
    done: Literal[True] = True


class ReceiptView(Model):
    """What a receiver has proven to hold; the names are those of llmsync-delivery.yang."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=lambda n: n.replace("_", "-"),
        populate_by_name=True,
    )  # fmt: skip

    receiver: str
    standing: Standing
    complete: bool
    reason: str
    bytes: Count
    files: Count
    manifest_digest: Hex32 | None
    joined: Count | None
    first_byte: Count | None
    last_byte: Count | None
    verified: Count | None
    completed: Count | None
    packets: Count
    packets_repair: Count
    packets_lost: Count
    packets_duplicate: Count | None
    parity_used: Count | None
    blocks_polluted: Count | None


class ReceiptList(Model):
    """What every receiver has proven."""

    session: str
    receipts: list[ReceiptView]


class EventsMessage(Model):
    """One message of the event stream."""

    session: SessionView
    receivers: list[ReceiverView]
    """Those that have changed since the last message; at first all."""
    events: list[EventView]
    """What has happened since the last message, as far as it is remembered."""
