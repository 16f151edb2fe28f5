"""What a session that is complete says of itself: for JSON, and for its receipt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.agent.falling_back import summary
from toolkit.agent.timeline import Step
from toolkit.delivery.receipts import Own

if TYPE_CHECKING:
    from toolkit.agent.session import ReceivingSession


def document(session: ReceivingSession) -> dict[str, Any]:
    """What has been received; only of a session with a `receipt`."""
    receipt, counters, timeline = session.receipt, session.counters, session.timeline
    assert receipt is not None
    device = session.keeping.device
    return {
        "placed": session.keeping.place, "files": receipt.files, "bytes": receipt.bytes,
        "manifest": receipt.manifest.hex(), "first_byte": round(receipt.first_byte, 6),
        "last_byte": round(receipt.last_byte, 6), "verified": round(receipt.verified, 6),
        "packets": counters.packets, "repaired": counters.repaired, "found": counters.found,
        "duplicates": counters.duplicates, "polluted": counters.polluted,
        "refused": dict(counters.refused), "tensors": timeline.tensors,
        "device": session.device, "device_bytes": session.device_bytes,
        "device_checked": session.device_checked,
        "device_check": None if device is None else device.digest_kind or "none",
        "first_tensor": _rounded(timeline.at(Step.FIRST_TENSOR)),
        "last_tensor": _rounded(timeline.at(Step.LAST_TENSOR)),
        "kernel_drops": None if session.drops is None else session.drops.document(),
        **summary(session.fetching, counters.bytes),
        **({} if session.host is None else session.host.document()),
        "timeline": timeline.document(),
    }  # fmt: skip


def own(session: ReceivingSession) -> Own:
    """What a receipt says beside what the engine knows."""
    at = session.timeline.at
    return Own(
        completed=at(Step.VERIFIED) or 0.0, announced=at(Step.ANNOUNCE), joined=at(Step.JOIN),
        first_tensor=at(Step.FIRST_TENSOR), last_tensor=at(Step.LAST_TENSOR),
        model_ready=at(Step.MODEL_READY), device=session.device,
        device_bytes=session.device_bytes or 0, device_checked=session.device_checked or 0,
    )  # fmt: skip


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)
