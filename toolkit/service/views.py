"""From what the engine says to what the API says.

Pure: reads published values only.
"""

from __future__ import annotations

from collections import Counter

from toolkit.delivery.progress import ReceiverProgress
from toolkit.service.hosted import HostedSession, Snapshot
from toolkit.service.model import EventView, ReceiverView, SessionView
from toolkit.service.offer import Event


def session_view(hosted: HostedSession, snapshot: Snapshot) -> SessionView:
    progress, offer = snapshot.progress, hosted.offer
    return SessionView(
        id=offer.session_id, delivery=progress.delivery, tsi=progress.tsi, begun=hosted.begun,
        size=progress.size, files=progress.files, manifest=offer.digest.hex(),
        signing_key=offer.signing_key.hex(), sealed=offer.seal_key is not None,
        elapsed=progress.elapsed, rate=progress.rate, sending=progress.sending,
        packets=progress.packets, repairs=progress.repairs, late=progress.late,
        bytes_read=progress.bytes_read, https_bytes=hosted.https_bytes.total(),
        receivers=len(progress.receivers),
        standings=dict(Counter(r.standing for r in progress.receivers)),
        finished=progress.finished, failure=progress.failure, watched=not hosted.broken,
    )  # fmt: skip


def receiver_view(hosted: HostedSession, row: ReceiverProgress) -> ReceiverView:
    return ReceiverView(
        receiver=row.receiver, region=hosted.offer.regions.get(row.receiver, ""),
        standing=row.standing, cohort=row.cohort, why=row.why, held=row.held, rate=row.rate,
        packets=row.packets, repairs=row.repairs, lost=row.lost, room=row.room, rtt=row.rtt,
        joined=row.joined, completed=row.completed,
        https_bytes=hosted.https_bytes[row.receiver], upstream=hosted.upstream[row.receiver],
    )  # fmt: skip


def receiver_views(hosted: HostedSession, snapshot: Snapshot, since: int = 0) -> list[ReceiverView]:
    """The receivers that have changed after version `since`."""
    return [
        receiver_view(hosted, row)
        for row in snapshot.progress.receivers
        if snapshot.changed[row.receiver] > since
    ]


def event_view(event: Event) -> EventView:
    return EventView(
        number=event.number, at=event.at, kind=event.kind, receiver=event.receiver, by=event.by,
        text=event.text,
    )  # fmt: skip
