"""From the first packet to a trusted manifest: FDT Instance (TOI 0) and manifest (TOI 1).

Pure.  All that comes is collected in bounded memory, and nothing is believed before the
manifest's signature is proven; a manifest that fails is thrown away and asked for again.  The
packets of both objects carry EXT_FTI, so either can be collected without the other.  A new FDT
Instance ID means that the sender offers something else now, and both are collected anew.
"""

from __future__ import annotations

from toolkit.delivery.assembly import Assembly, Verdict
from toolkit.delivery.buffers import Buffers
from toolkit.delivery.fdt import parse_fdt
from toolkit.delivery.fec import Partition
from toolkit.delivery.manifest import (
    MANIFEST_TOI,
    OpenedManifest,
    UnreadableError,
    UntrustedError,
)
from toolkit.delivery.model import Counters
from toolkit.delivery.refusal import Refusal
from toolkit.delivery.sealing import SealError
from toolkit.delivery.trust import Trust, kind_of
from toolkit.delivery.wire import Fti
from toolkit.errors import WireError

FDT_TOI = 0
MAX_SIZE = 64 * 2**20
"""Bytes of a manifest at most."""
MAX_UNTRUSTED = 3
"""Manifests of other signers, or versions, that may come before the sender is held at fault."""
MAX_REFUSED = 64
"""The same for manifests that are damaged or forged."""
MAX_FDT = 16 * 2**20
"""Bytes of an FDT Instance at most: it lists 50,000 files and more."""


class Bootstrap:
    """The two objects that lead to the manifest."""

    def __init__(self, trust: Trust, counters: Counters) -> None:
        self.envelope = b""
        self.refused = 0
        """Times that an FDT or a manifest was complete and could not be believed."""
        self._untrusted = 0
        self.reason = ""
        """Why the last one was refused."""
        self.opened: OpenedManifest | None = None
        self._trust = trust
        self._counters = counters
        self._instance: int | None = None
        self._fti: dict[int, Fti] = {}
        self._buffers = Buffers(2 * MAX_SIZE)
        self._assemblies: dict[int, Assembly] = {}
        self._content: dict[int, bytearray] = {}

    @property
    def hopeless(self) -> bool:
        """Asking again will not help: what `reason` says is how it is."""
        return self._untrusted >= MAX_UNTRUSTED or self.refused >= MAX_REFUSED

    def describe(self, toi: int, instance: int | None, fti: Fti) -> None:
        """A packet says how its object is cut, and TOI 0 which FDT Instance it belongs to."""
        if toi == FDT_TOI and instance != self._instance:
            self._forget(FDT_TOI)
            if self._instance is not None:
                self._forget(MANIFEST_TOI)
            self._instance = instance
        if fti == self._fti.get(toi):
            return
        self._forget(toi)
        limit = MAX_FDT if toi == FDT_TOI else MAX_SIZE
        if not (0 < fti.transfer_length <= limit and 1 <= fti.block <= 255 and fti.symbol):
            self._counters.refuse(Refusal.EXCESS)
        else:
            part = Partition(fti.transfer_length, fti.symbol, fti.block)
            self._fti[toi] = fti
            self._assemblies[toi] = Assembly(toi, part, self._buffers)
            self._content[toi] = bytearray(part.length)

    def add(self, toi: int, sbn: int, sbl: int, esi: int, datagram: bytes, at: int) -> Verdict:
        """Take a symbol; afterwards `opened` may be there, or `refused` have grown."""
        assembly = self._assemblies.get(toi)
        if assembly is None:
            return Verdict.MISFIT
        verdict = assembly.add(sbn, sbl, esi, datagram, at)
        if verdict is Verdict.WHOLE:
            part = assembly.partition
            start = part.offset(sbn)
            self._content[toi][start : start + part.size(sbn)] = assembly.solve(sbn)
            assembly.finish(sbn)
            if assembly.remaining == 0:
                self._complete(toi, bytes(self._content.pop(toi)))
        return verdict

    @property
    def memory(self) -> int:
        """Bytes that are held for what is not believed yet."""
        return self._buffers.used + sum(map(len, self._content.values()))

    def lacks(self, toi: int, first: int, count: int) -> bytes | None:
        """As Assembly.lacks; None for an object of which nothing is known."""
        assembly = self._assemblies.get(toi)
        return None if assembly is None else assembly.lacks(first, count)

    def forget(self) -> None:
        """Begin anew, for another session."""
        self._instance = None
        for toi in (FDT_TOI, MANIFEST_TOI):
            self._forget(toi)

    def _complete(self, toi: int, content: bytes) -> None:
        try:
            if toi == FDT_TOI:
                if MANIFEST_TOI not in [f.toi for f in parse_fdt(content).files]:
                    raise WireError("FDT: it lists no manifest")
            else:
                self.opened, self.envelope = self._trust.open(content)
        except WireError as error:
            self._forget(toi)
            self.refused += 1
            self._untrusted += isinstance(error, UntrustedError | UnreadableError | SealError)
            self.reason = str(error)
            self._counters.refuse(kind_of(error))

    def _forget(self, toi: int) -> None:
        assembly = self._assemblies.pop(toi, None)
        if assembly is not None:
            assembly.close()
        self._content.pop(toi, None)
        self._fti.pop(toi, None)
