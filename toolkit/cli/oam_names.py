"""What the addresses in a trace are called: by the laboratory's network, or by a BIFT document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.bier.bift import BiftKey
    from toolkit.bier.oam_tlv import Interface, IpAddress
    from toolkit.bier.program import Program
    from toolkit.cli.oam_lab import Asking, Laboratory


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    who: Asking
    routers: Mapping[IpAddress, str]
    """BFR-prefix -> router."""
    ports: Mapping[IpAddress, str]
    """Address of an interface -> its name."""
    bift_id: Callable[[str, BiftKey], int | None]
    """(router, table) -> the BIFT-id that it was sent with, where that is known."""
    first: Callable[[BiftKey, int], Mapping[str, str]]
    """(table, bits) -> next router -> our interface to it."""

    def router(self, prefix: IpAddress | None) -> str:
        """Return who has a BFR-prefix; None: we ourselves."""
        return self.who.start if prefix is None else self.routers.get(prefix, str(prefix))

    def port(self, interface: Interface) -> str | None:
        """Return the name, else the address, else the index that a router gave an interface."""
        if interface.address is not None:
            return self.ports.get(interface.address, str(interface.address))
        return str(interface) if interface.index else None


def names_of_laboratory(lab: Laboratory) -> Names:
    running = lab.running

    def bift_id(router: str, key: BiftKey) -> int | None:
        if router not in running.routers:
            return None
        ids = running.plane(router).bift_ids
        return next((i.number for i, selected in ids.items() if selected == key), None)

    def first(key: BiftKey, bits: int) -> Mapping[str, str]:
        copies = running.plane(lab.start).forward(key, bits).copies
        return {c.neighbor.router: c.neighbor.interface for c in copies}

    return Names(
        who=lab,
        routers={
            bfr.bfr_prefix.network_address: name
            for name, of_router in running.bfrs.by_router.items()
            for number, bfr in of_router.items()
            if number == lab.sub_domain
        },
        ports={
            address.ip: name
            for router in running.state.routers.values()
            for name, interface in router.interfaces.items()
            for address in interface.addresses
        },
        bift_id=bift_id,
        first=first,
    )


def names_of_program(who: Asking, program: Program) -> Names:
    from toolkit.bier.bift import Bift
    from toolkit.bier.wire import Encapsulation

    def bift_id(_router: str, key: BiftKey) -> int | None:
        """Non-MPLS BIFT-ids are the same in all of a domain (RFC 8296 2.2.1), labels are not."""
        for known, selected in program.bift_ids.items():
            if selected == key and known.encapsulation is Encapsulation.NON_MPLS:
                return known.number
        return None

    def first(key: BiftKey, bits: int) -> Mapping[str, str]:
        known = program.bifts[key]
        tables = (known,) if isinstance(known, Bift) else known
        copies = (copy for table in tables for copy in table.forward(bits).copies)
        return {c.neighbor.router: c.neighbor.interface for c in copies}

    return Names(
        who=who,
        routers={}
        if program.oam is None
        else {
            prefix: name
            for (number, name), prefix in program.oam.routers.items()
            if number == who.sub_domain
        },
        ports={},
        bift_id=bift_id,
        first=first,
    )
