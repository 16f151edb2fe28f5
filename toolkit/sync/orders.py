"""What a repository tells a cloud.  Pure; `parse_orders` raises WireError."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from toolkit.delivery.sealing import SECRET_SIZE
from toolkit.errors import WireError
from toolkit.sync.model import is_model, is_version


@dataclass(frozen=True, slots=True)
class Wanted:
    """A version that a model is to have here."""

    version: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A session that brings something that is wanted."""

    session: int
    tsi: int
    model: str
    version: str
    content: str
    address: str
    port: int
    group: str | None
    manifest: bytes
    """BLAKE3 of the manifest that it brings."""
    key: bytes = field(repr=False)
    """Proves that our control messages are ours."""
    seal_key: bytes | None = field(repr=False)
    """Opens what travels; None: it is not encrypted."""

    @property
    def name(self) -> str:
        """The name that its manifest must have."""
        return f"{self.model}@{self.version}"


@dataclass(frozen=True, slots=True)
class Orders:
    """Everything that a cloud is to do."""

    keep: int
    complete: bool
    """Whether the repository has found all that it is to have us have."""
    again: float
    """Seconds after which to report again."""
    wanted: Mapping[str, Wanted]
    sessions: tuple[Offer, ...]


def parse_orders(document: Any) -> Orders:  # noqa: ANN401 - JSON
    """Return what an answer says; names that could lead elsewhere on a disk are refused."""
    try:
        wanted = {
            _model(model): Wanted(_version(told["version"]), _content(told["content"]))
            for model, told in document["wanted"].items()
        }
        offers = tuple(_offer(told) for told in document["sessions"])
        keep, again = int(document["keep"]), float(document["again"])
        complete = bool(document["complete"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise WireError(f"the repository's answer is not understood: {error}") from None
    return Orders(max(1, keep), complete, min(max(again, 0.1), 300.0), wanted, offers)


def _offer(told: Any) -> Offer:  # noqa: ANN401 - JSON
    group = told["group"]
    tsi, port = int(told["tsi"]), int(told["port"])
    if not 0 < tsi < 1 << 32 or not 0 < port < 65536:
        raise ValueError("a TSI or port that cannot be")
    return Offer(
        session=int(told["session"]), tsi=tsi, model=_model(told["model"]),
        version=_version(told["version"]), content=_content(told["content"]),
        address=str(told["address"]), port=port, group=None if group is None else str(group),
        manifest=_digest(told["manifest"]), key=bytes.fromhex(told["key"]),
        seal_key=_seal_key(told["seal_key"]),
    )  # fmt: skip


def _seal_key(value: object) -> bytes | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) != 2 * SECRET_SIZE:
        raise ValueError("a seal key of another size")
    return bytes.fromhex(value)


def _digest(value: object) -> bytes:
    if not isinstance(value, str) or len(value) != 64:
        raise ValueError(f"{value!r} is not a manifest's digest")
    return bytes.fromhex(value)


def _model(value: object) -> str:
    if not isinstance(value, str) or not is_model(value):
        raise ValueError(f"{value!r} is not a model")
    return value


def _version(value: object) -> str:
    if not isinstance(value, str) or not is_version(value):
        raise ValueError(f"{value!r} is not a version")
    return value


def _content(value: object) -> str:
    if not isinstance(value, str) or not value.isalnum() or not 8 <= len(value) <= 64:
        raise ValueError(f"{value!r} is not a content")
    return value
