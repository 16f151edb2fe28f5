"""Sessions as Prometheus metrics, text format 0.0.4.

Pure: values in, text out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from toolkit.delivery.model import Standing
from toolkit.delivery.progress import ReceiverProgress
from toolkit.service.exposition import CONTENT_TYPE, Family
from toolkit.service.hosted import HostedSession, Snapshot

__all__ = ["CONTENT_TYPE", "Family", "exposition"]

_SESSION: Final[Sequence[tuple[str, str, str, Callable[[Snapshot], float]]]] = (
    ("size_bytes", "gauge", "Bytes of the files.", lambda s: s.progress.size),
    ("elapsed_seconds", "gauge", "Since the session began.", lambda s: s.progress.elapsed),
    ("rate_bits", "gauge", "Provisioned rate in bit/s.", lambda s: s.progress.rate),
    ("sending_bits", "gauge", "Recent rate in bit/s.", lambda s: s.progress.sending),
    ("packets_total", "counter", "Packets sent first time.", lambda s: s.progress.packets),
    ("repairs_total", "counter", "Repair packets sent.", lambda s: s.progress.repairs),
    ("late_total", "counter", "Packets again, for late receivers.", lambda s: s.progress.late),
    ("read_bytes_total", "counter", "Read from the source.", lambda s: s.progress.bytes_read),
    ("finished", "gauge", "1: it has ended.", lambda s: float(s.progress.finished)),
    ("failed", "gauge", "1: it was broken off.", lambda s: float(bool(s.progress.failure))),
)
_RECEIVER: Final[Sequence[tuple[str, str, str, Callable[[ReceiverProgress], float | None]]]] = (
    ("held_bytes", "gauge", "Bytes that it reported to hold.", lambda r: r.held),
    ("rate_bits", "gauge", "Recent growth of that, in bit/s.", lambda r: r.rate),
    ("packets_total", "counter", "Packets addressed to it.", lambda r: r.packets),
    ("repairs_total", "counter", "Those of them that were repairs.", lambda r: r.repairs),
    ("lost_total", "counter", "Symbols it reported missing.", lambda r: r.lost),
    ("room_bytes", "gauge", "Bytes it can take before it writes.", lambda r: r.room),
    ("rtt_seconds", "gauge", "Round-trip time of its reports.", lambda r: r.rtt),
    ("joined_seconds", "gauge", "When it joined.", lambda r: r.joined),
    ("completed_seconds", "gauge", "When it had everything.", lambda r: r.completed),
)


def exposition(
    sessions: Iterable[HostedSession], refused: Counter[str], watchers: Counter[str], version: str
) -> str:
    """Return the text of GET /metrics."""
    about = Family("llmsync_info", "gauge", "About this service.", [({"version": version}, 1)])
    turned_away = Family(
        "llmsync_service_refused_total", "counter", "Requests turned away, by reason.",
        [({"reason": reason}, n) for reason, n in sorted(refused.items())],
    )  # fmt: skip
    streams = Family(
        "llmsync_service_watchers", "gauge", "Clients of the event stream.",
        [({}, watchers["now"])],
    )  # fmt: skip
    families = [about, turned_away, streams, *_families(list(sessions))]
    return "\n".join(family.text() for family in families) + "\n"


def _families(sessions: list[HostedSession]) -> list[Family]:
    whole = [Family(f"llmsync_session_{n}", kind, text) for n, kind, text, _ in _SESSION]
    each = [Family(f"llmsync_receiver_{n}", kind, text) for n, kind, text, _ in _RECEIVER]
    https = Family(
        "llmsync_receiver_https_bytes_total", "counter", "Bytes of files fetched over HTTPS."
    )
    upstream = Family(
        "llmsync_receiver_feedback_total", "counter", "Control messages by WebSocket."
    )
    state = Family("llmsync_receiver_state", "gauge", "1 for how a receiver stands, 0 else.")
    refused = Family(
        "llmsync_feedback_refused_total", "counter", "Control messages by WebSocket turned away."
    )
    said = Family(
        "llmsync_refused_total", "counter", "Control messages refused by the sender, by reason."
    )
    for hosted in sessions:
        snapshot = hosted.snapshot
        labels = {"session": hosted.offer.session_id, "delivery": hosted.offer.delivery}
        for family, (*_, read) in zip(whole, _SESSION, strict=True):
            family.samples.append((labels, read(snapshot)))
        for reason, n in sorted(hosted.refused.items()):
            refused.samples.append(({**labels, "reason": reason}, n))
        for reason, n in sorted(snapshot.refused.items()):
            said.samples.append(({**labels, "reason": reason}, n))
        for row in snapshot.progress.receivers:
            region = hosted.offer.regions.get(row.receiver, "")
            own = {**labels, "receiver": row.receiver, "region": region}
            for family, (*_, tell) in zip(each, _RECEIVER, strict=True):
                value = tell(row)
                if value is not None:
                    family.samples.append((own, value))
            https.samples.append((own, hosted.https_bytes[row.receiver]))
            upstream.samples.append((own, hosted.upstream[row.receiver]))
            for standing in Standing:
                state.samples.append(({**own, "state": standing}, row.standing is standing))
    return [*whole, *each, https, upstream, state, refused, said]
