"""What a session's metrics are read from, at any moment and from any thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.agent.metrics import Figures, Phase
from toolkit.agent.timeline import Step
from toolkit.delivery.manifest import FIRST_TOI
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    from toolkit.agent.session import ReceivingSession
    from toolkit.delivery.catalog import Catalog


def figures(session: ReceivingSession) -> Figures:
    """Return how a session stands."""
    settings, opened, timeline = session.settings, session.opened, session.timeline
    engine = session.engine
    catalog = None if engine is None else engine.catalog
    verified, done = session.copied if catalog is None else _verified(catalog)
    size = blocks = 0
    if opened is not None:
        size = opened.manifest.size
        blocks = sum(opened.manifest.cut(f.size).blocks for f in opened.manifest.files)
    if session.receipt is not None:
        verified, done = size, blocks
    free, total = _memory(session)
    model = session.model
    known = 0
    if model is not None and opened is not None:
        known = sum(len(model.entries(f.path)) for f in opened.manifest.files)
    return Figures(
        receiver=settings.name, delivery="" if opened is None else opened.manifest.name,
        device=session.device or "none", phase=_phase(session), size=size,
        verified=verified,
        fetched=0 if session.fetching is None else session.fetching.fetcher.bytes,
        blocks=blocks, blocks_verified=done, window=settings.window,
        window_used=0 if catalog is None else catalog.buffers.used,
        window_held=0 if catalog is None else catalog.buffers.held,
        tensors=max(known, timeline.tensors), tensors_ready=timeline.tensors,
        device_bytes=session.device_bytes, device_checked=session.device_checked,
        device_free=free, device_total=total, counters=session.counters,
        steps={str(s): at for s in Step if (at := timeline.at(s)) is not None},
    )  # fmt: skip


def _phase(session: ReceivingSession) -> Phase:
    if session.receipt is not None:
        return Phase.COMPLETE
    if session.error is not None:
        return Phase.FAILED
    if session.opened is not None:
        return Phase.RECEIVING
    return Phase.OPENING if session.timeline.at(Step.ANNOUNCE) is None else Phase.JOINING


def _verified(catalog: Catalog) -> tuple[int, int]:
    """Bytes in verified blocks, and such blocks.

    Blocks of a file differ by a symbol at most: the bytes are right to within one for each file.
    """
    verified = done = 0
    for number, entry in enumerate(catalog.opened.manifest.files):
        assembly = catalog.assemblies[FIRST_TOI + 2 * number + 1]
        count = len(assembly.done)
        there = count - assembly.remaining
        verified += entry.size * there // count if count else 0
        done += there
    return verified, done


def _memory(session: ReceivingSession) -> tuple[int | None, int | None]:
    held = session.keeping.device
    if held is None:
        return None, None
    try:
        return held.device.memory()
    except ToolkitError:  # Whoever copies hears of it.
        return None, None
