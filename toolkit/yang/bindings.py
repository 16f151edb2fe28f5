"""A device's state as typed values, read through the pyangbind classes of our modules.

pyangbind checks ranges, patterns and enumerations while it loads; it is no validator of documents
(`toolkit.yang.schema` is).  Its own objects wrap every leaf, say 0 and '' for what is not there,
and can be written to, so what leaves this module are plain frozen values; `load` gives the objects
themselves to people who script against the toolkit.

Needs the extra `bindings`; imported when it is used.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from toolkit.errors import EnvironmentProblem, Place, Problem, SchemaError

_SENTENCE = re.compile(r"""error-string\W+([^'"\\]+)""")

_GENERATED = "toolkit.yang._bindings.reference"


@dataclass(frozen=True, slots=True, kw_only=True)
class BiftEntry:
    """One row of a BIFT (RFC 8279 section 6.4)."""

    bfr_id: int
    f_bm: int
    """Forwarding bit mask; bit position 1 is 1 << 0."""
    neighbor: str | None
    """BFR neighbor; None where the bit is the router's own."""
    out_interface: str | None
    out_bift_id: int | None
    tunnel: bool
    """Reached across routers that are no BFRs (RFC 8279 section 6.9)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bift:
    """One forwarding table in use."""

    sub_domain: int
    bsl: int
    si: int
    bift_id: int
    entries: tuple[BiftEntry, ...]
    """Sorted by BFR-id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """BIER packets since the router started."""

    received: int = 0
    forwarded: int = 0
    delivered: int = 0
    imposed: int = 0
    dropped: Mapping[str, int]
    """Reason -> packets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What one GPU cloud has proven to hold of one delivery; times in microseconds."""

    session: str
    receiver: str
    complete: bool
    bytes_placed: int
    manifest_digest: str | None
    first_byte: int | None
    last_byte: int | None
    verified: int | None
    packets_lost: int
    packets_duplicate: int


def _classes() -> ModuleType:
    try:
        importlib.import_module("pyangbind.lib.serialise")
    except ImportError:
        raise EnvironmentProblem(
            "typed device state needs pyangbind: pip install 'llmsync[bindings]'"
        ) from None
    try:
        return importlib.import_module(_GENERATED)
    except ImportError:
        raise EnvironmentProblem(
            "the bindings of our YANG modules are not generated: python -m toolkit.yang.generate"
        ) from None


def load(tree: Mapping[str, Any], device: str = "") -> dict[str, Any]:
    """Return a device's RFC 7951 tree as pyangbind objects: module name -> the module's object.

    `tree` is what a NETCONF <get> gave, as `Schema.parse_xml(..., state=True)` returns it; modules
    that have no classes are passed over.  Raises SchemaError where a value does not fit its type,
    EnvironmentProblem where pyangbind or the generated classes are not there.
    """
    classes = _classes()
    decoder = importlib.import_module("pyangbind.lib.serialise").pybindJSONDecoder
    loaded: dict[str, Any] = {}
    problems = []
    for name, value in tree.items():
        module = name.partition(":")[0]
        kind = getattr(classes, module.replace("-", "_"), None)
        if kind is None:
            continue
        holder = loaded.setdefault(module, kind())
        try:
            decoder.load_ietf_json({name: value}, None, None, obj=holder)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            problems.append(Problem(Place(device, path=f"/{name}"), _cause(error)))
    if problems:
        raise SchemaError(problems)
    return loaded


def _cause(error: Exception) -> str:
    """Return the one sentence in what pyangbind raises: a dict, or text around a dict's repr."""
    if said := _SENTENCE.search(str(error)):
        return said[1]
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    return str(error)


def bift_of(tree: Mapping[str, Any], device: str = "") -> tuple[Bift, ...]:
    """Return the forwarding tables of a router, by sub-domain, BSL and SI; else as `load`."""
    tables = (
        Bift(
            sub_domain=int(table.sub_domain),
            bsl=int(table.bsl),
            si=int(table.si),
            bift_id=int(table.bift_id),
            entries=tuple(
                sorted((_entry(row) for row in table.entry.values()), key=lambda e: e.bfr_id)
            ),
        )
        for table in _values(
            load(_only(tree, "llmsync-bier:bier", "bift"), device), "llmsync-bier", "bier", "bift"
        )
    )
    return tuple(sorted(tables, key=lambda t: (t.sub_domain, t.bsl, t.si)))


def _entry(row: Any) -> BiftEntry:  # noqa: ANN401 - a generated class
    return BiftEntry(
        bfr_id=int(row.bfr_id),
        f_bm=int(str(row.f_bm) or "0", 16),
        neighbor=_text(row.neighbor),
        out_interface=_text(row.out_interface),
        out_bift_id=_number(row.out_bift_id),
        tunnel=bool(row.tunnel),
    )


def counters_of(tree: Mapping[str, Any], device: str = "") -> Counters:
    """Return the counters of a router, all 0 where it has none; else as `load`."""
    module = load(_only(tree, "llmsync-bier:bier", "counters"), device).get("llmsync-bier")
    if module is None:
        return Counters(dropped={})
    return _counters(module.bier.counters)


def _counters(counters: Any) -> Counters:  # noqa: ANN401 - a generated class
    return Counters(
        received=int(counters.received),
        forwarded=int(counters.forwarded),
        delivered=int(counters.delivered),
        imposed=int(counters.imposed),
        dropped={str(drop.reason): int(drop.packets) for drop in counters.dropped.values()},
    )


def receipts_of(tree: Mapping[str, Any], device: str = "") -> tuple[Receipt, ...]:
    """Return the receipts of the clouds behind a router, by delivery and cloud; else as `load`."""
    receipts = (
        Receipt(
            session=str(session.name),
            receiver=str(receipt.receiver),
            complete=bool(receipt.complete),
            bytes_placed=int(receipt.bytes),
            manifest_digest=_text(receipt.manifest_digest),
            first_byte=_number(receipt.first_byte),
            last_byte=_number(receipt.last_byte),
            verified=_number(receipt.verified),
            packets_lost=int(receipt.packets_lost),
            packets_duplicate=int(receipt.packets_duplicate),
        )
        for session in _values(
            load(_only(tree, "llmsync-delivery:deliveries", "session"), device),
            "llmsync-delivery",
            "deliveries",
            "session",
        )
        for receipt in session.receipt.values()
    )
    return tuple(sorted(receipts, key=lambda r: (r.session, r.receiver)))


def _only(tree: Mapping[str, Any], container: str, child: str) -> dict[str, Any]:
    """Return `tree` with that child alone: pyangbind takes some 10 ms for each list entry."""
    inside = tree.get(container)
    if not isinstance(inside, Mapping) or child not in inside:
        return {}
    return {container: {child: inside[child]}}


def _values(loaded: Mapping[str, Any], module: str, container: str, entries: str) -> Iterator[Any]:
    holder = loaded.get(module)
    if holder is not None:
        yield from getattr(getattr(holder, container), entries).values()


def _text(leaf: Any) -> str | None:  # noqa: ANN401
    return str(leaf) if leaf._changed() else None


def _number(leaf: Any) -> int | None:  # noqa: ANN401
    return int(leaf) if leaf._changed() else None
