"""Whom a receiver believes: keys, pins, tokens, and where packets may come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from toolkit.agent.settings import Settings
from toolkit.delivery import key_files
from toolkit.delivery.authentic import Speaker, key_of
from toolkit.delivery.key_files import PinFile
from toolkit.delivery.keys import trusted_key
from toolkit.delivery.manifest import OpenedManifest, UntrustedError
from toolkit.delivery.model import Counters
from toolkit.delivery.provenance import Provenance
from toolkit.delivery.refusal import Refusal
from toolkit.delivery.trust import ReplayError
from toolkit.transport import address
from toolkit.transport.address import Address
from toolkit.transport.sources import Sources

Tell = Callable[[str], None]


def trusted(settings: Settings) -> bytes | None:
    """Return the key that must have signed; None: any."""
    said = settings.trust
    return trusted_key(said) if isinstance(said, Path) else said


def seal_key(settings: Settings) -> bytes | None:
    """Return the key of a sealed session."""
    said = settings.seal_key
    return key_files.seal_key(said, make=False)[0] if isinstance(said, Path) else said


def speaker(settings: Settings) -> Speaker | None:
    """Return what puts authentication codes around our messages."""
    said = settings.control_token
    if said is None or settings.feedback == "websocket":
        return None  # A service knows who is connected to it.
    token = key_files.token(said) if isinstance(said, Path) else said
    return Speaker(key_of(token, settings.name))


def model_check(asked: Provenance, tell: Tell) -> Callable[[Path], None]:
    """Return a check of a folder that tells what it found."""

    def check(folder: Path) -> None:
        told = asked.check(folder)
        if told:
            tell(told)

    return check


def sources(settings: Settings, sender: Address, other: Address | None) -> Sources:
    """Return whose packets a receiver takes; `other`: where those to the group come from."""
    given = [address.resolve(text, port=0) for text in settings.source]
    return Sources([sender, *given, *([] if other is None else [other])])


def tell_foreign(counters: Counters, sources: Sources, tell: Tell) -> None:
    """Count the packets that came from elsewhere, and say so."""
    if sources.refused:
        counters.refuse(Refusal.FOREIGN_SOURCE, sources.refused)
        tell(
            f"{sources.refused} packets did not come from --sender and were dropped, the last "
            f"from {sources.last} (where that is the sender's other address, give --source)"
        )


class Pinned:
    """The pins of a receiver; without a file it has none."""

    def __init__(self, path: Path | None, tell: Tell = lambda _: None) -> None:
        self._file: PinFile | None = None if path is None else PinFile(path)
        self._tell = tell

    def admit(self, opened: OpenedManifest) -> None:
        """Raise where a manifest is refused; remember the first signer."""
        file = self._file
        if file is None:
            return
        where = str(file.path)
        if reason := file.pins.unknown_signer(opened, where):
            raise UntrustedError(f"manifest: {reason}")
        if reason := file.pins.too_old(opened, where):
            raise ReplayError(f"manifest: {reason}")
        line = file.pins.meet(opened.key)
        if line:
            file.add(line)
            self._tell(f"{where}: remembers {opened.key.hex()}, the first signer that was met")

    def also(self, other: Callable[[OpenedManifest], None]) -> Callable[[OpenedManifest], None]:
        """Return a check that asks another one too."""

        def admit(opened: OpenedManifest) -> None:
            other(opened)
            self.admit(opened)

        return admit

    def placed(self, opened: OpenedManifest | None) -> None:
        """Remember the serial of what was placed."""
        if self._file is not None and opened is not None:
            self._file.add(self._file.pins.place(opened))

    @property
    def given(self) -> bool:
        return self._file is not None
