"""What containerlab and Ansible call the platforms that the grid of templates knows.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from toolkit.inventory.importers.draft import DraftRouter, Note
from toolkit.inventory.model import Platform

_KINDS: tuple[tuple[str, Platform], ...] = (
    ("nokia_sros", Platform.SROS),
    ("nokia_srsim", Platform.SROS),
    ("srsim", Platform.SROS),
    ("sros", Platform.SROS),
    ("juniper_", Platform.JUNOS),
    ("crpd", Platform.JUNOS),
    ("vmx", Platform.JUNOS),
    ("vqfx", Platform.JUNOS),
    ("vsrx", Platform.JUNOS),
    ("vjunos", Platform.JUNOS),
    ("cisco_xr", Platform.IOSXR),
    ("xrd", Platform.IOSXR),
    ("xrv", Platform.IOSXR),
    ("huawei_vrp", Platform.VRP),
)
"""Beginnings of containerlab's kinds; the older `vr-` in front of many is passed over."""

_NETWORK_OS: Mapping[str, Platform] = {
    "sros": Platform.SROS,
    "md": Platform.SROS,
    "classic": Platform.SROS,
    "junos": Platform.JUNOS,
    "iosxr": Platform.IOSXR,
    "ce": Platform.VRP,
    "cloudengine": Platform.VRP,
    "vrp": Platform.VRP,
    "frr": Platform.FRR,
    "reference": Platform.REFERENCE,
    "ietf": Platform.IETF,
}
"""Last word of ansible_network_os (`cisco.iosxr.iosxr`, `nokia.sros.md`) -> platform."""

WITHOUT_BIER = frozenset({Platform.IOSXR, Platform.VRP})
"""IOS XR has no BIER configuration; VRP speaks BIERv6, which no other platform understands."""


def of_kind(kind: str) -> Platform | None:
    """Return the platform of a containerlab kind, None for an unknown one."""
    bare = kind.casefold().removeprefix("vr-")
    return next((platform for start, platform in _KINDS if bare.startswith(start)), None)


def of_network_os(network_os: str) -> Platform | None:
    """Return the platform of an ansible_network_os, None for an unknown one."""
    return _NETWORK_OS.get(network_os.casefold().rpartition(".")[2])


def platform_notes(
    routers: Sequence[DraftRouter], unknown: Mapping[str, str], word: str
) -> list[Note]:
    """Return what is to be said of platforms; `unknown`: router -> what its file calls it."""
    notes = []
    if unknown:
        shown = ", ".join(sorted({called or "none" for called in unknown.values()}))
        text = f"an unknown {word} ({shown}) became platform reference"
        notes.append(Note(kind="platform", text=text, names=tuple(unknown)))
    plain = tuple(router.name for router in routers if not router.bier)
    if plain:
        text = (
            "iosxr and vrp cannot join a BIER domain, so `bier: false`:"
            " they are crossed in tunnels, and no host can be at"
        )
        notes.append(Note(kind="bier", text=text, names=plain))
    return notes
