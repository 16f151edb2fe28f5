"""The files of a delivery that are verified so far, by path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from toolkit.delivery.manifest import Manifest

if TYPE_CHECKING:
    from toolkit.agent.session import ReceivingSession


class Verified(Mapping[str, bytes]):
    """Path -> content; a file is read when it is asked for."""

    def __init__(
        self, session: ReceivingSession | None, manifest: Manifest | None, paths: Sequence[str]
    ) -> None:
        self._session, self._manifest, self._paths = session, manifest, paths

    def __getitem__(self, path: str) -> bytes:
        if self._session is None or self._manifest is None or path not in self._paths:
            raise KeyError(path)
        number = next(n for n, f in enumerate(self._manifest.files) if f.path == path)
        return self._session.keeping.read(self._manifest, number)

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)
