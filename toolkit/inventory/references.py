"""Names that one section uses and another declares.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from toolkit.errors import Place, Problem
from toolkit.inventory.declared import DeliveryBody, PolicyBody
from toolkit.inventory.entry import Entry
from toolkit.inventory.field import Scope
from toolkit.inventory.model import OverlaySignalling
from toolkit.inventory.refusal import Refusal
from toolkit.inventory.section import SINGULAR, Declared
from toolkit.inventory.settings import OverlayBody, PimBody
from toolkit.inventory.suggestion import suggest
from toolkit.inventory.target import Choice, Target, parse_target


def check_references(declared: Declared) -> Iterator[Problem]:
    """Yield every name that leads nowhere."""
    if declared.certain("routers") and not declared.routers:
        yield Problem(declared.place, "no router is declared", "add a section 'routers:'")
        return
    yield from _check_domains(declared)
    yield from _check_links(declared)
    yield from _check_regions(declared)
    for entry in (*declared.repositories.values(), *declared.clouds.values()):
        yield from _check_name(declared, entry, "router", "routers")
    for delivery in declared.deliveries.values():
        yield from _check_name(declared, delivery, "from", "repositories")
        yield from _check_target(declared, delivery)
    for policy in declared.policies.values():
        yield from _check_policy(declared, policy)
    if declared.pim is not None:
        yield from _check_rp(declared, declared.pim)
    if declared.overlay is not None:
        yield from _check_reflectors(declared, declared.overlay)
    yield from _check_affinities(declared)


def region_of(declared: Declared, cloud: str) -> str:
    """Return the cloud's region, which is its router's if it names none."""
    entry = declared.clouds[cloud]
    router = declared.routers.get(entry.text("router") or "")
    return entry.text("region") or (router.text("region") if router else "") or ""


def target_of(delivery: Entry[DeliveryBody]) -> Target | None:
    """Return who receives the delivery, or None where `to` does not say so."""
    return _target(delivery, "to")


def _target(entry: Entry[Any], key: str) -> Target | None:
    try:
        return parse_target(entry.written.get(key))
    except Refusal:
        return None


def receivers_of(declared: Declared, delivery: Entry[DeliveryBody]) -> tuple[str, ...]:
    """Return the declared clouds that receive the delivery."""
    target = target_of(delivery)
    if target is None:
        return ()
    regions = {cloud: region_of(declared, cloud) for cloud in declared.clouds}
    return tuple(cloud for cloud in target.clouds(regions) if cloud in regions)


def promised_to(declared: Declared, target: Target) -> tuple[str, ...]:
    """Return the clouds of a policy; empty where it speaks for all."""
    if target.choice is Choice.ALL:
        return ()
    return target.clouds({cloud: region_of(declared, cloud) for cloud in declared.clouds})


def unknown(declared: Declared, section: str, name: str) -> tuple[str, str]:
    """Return what to say of a name that its section lacks, and the remedy."""
    what = f"{SINGULAR[section]} '{name}' is not declared"
    for other, singular in SINGULAR.items():
        if other != section and name in getattr(declared, other):
            return what, f"'{name}' is a {singular}"
    known = list(getattr(declared, section))
    return what, suggest(name, known) or f"declare it under '{section}:'"


def _check_name(declared: Declared, entry: Entry[Any], key: str, section: str) -> Iterator[Problem]:
    name = entry.text(key)
    if name is not None and declared.certain(section) and name not in getattr(declared, section):
        yield entry.problem(*unknown(declared, section, name), at=key)


def _check_domains(declared: Declared) -> Iterator[Problem]:
    if not declared.certain("domains"):
        return
    if not declared.domains:
        remedy = 'for example domains: {backbone: {area: "49.0001"}}'
        yield Problem(declared.place, "no domain is declared", remedy)
        return
    for router in declared.routers.values():
        yield from _check_name(declared, router, "domain", "domains")
        if "domain" not in router.written and len(declared.domains) > 1:
            choice = ", ".join(declared.domains)
            what = f"'domain' is missing: there are {len(declared.domains)} domains"
            yield router.problem(what, f"one of: {choice}")


def _check_links(declared: Declared) -> Iterator[Problem]:
    for link in declared.links:
        for end in ("a", "b"):
            yield from _check_name(declared, link, end, "routers")
        if link.text("a") is not None and link.text("a") == link.text("b"):
            what = f"both ends are '{link.text('a')}'"
            yield link.problem(what, "a link joins two different routers")


def _check_regions(declared: Declared) -> Iterator[Problem]:
    """Two spellings of one region would each get half of a delivery."""
    spellings: dict[str, tuple[str, Place]] = {}
    for entry in (*declared.routers.values(), *declared.clouds.values()):
        region = entry.text("region")
        if region is None:
            continue
        first, place = spellings.setdefault(region.casefold(), (region, entry.place("region")))
        if first != region:
            what = f"region '{region}' is written '{first}' at {place}"
            yield entry.problem(what, "write it the same way everywhere", at="region")


def _check_target(
    declared: Declared, entry: Entry[Any], key: str = "to", nobody: str = "a delivery to nobody"
) -> Iterator[Problem]:
    target = _target(entry, key)
    if target is None or not declared.certain("clouds"):
        return
    if target.choice is Choice.CLOUDS:
        for name in target.names:
            if name not in declared.clouds:
                yield entry.problem(*unknown(declared, "clouds", name), at=key)
    elif not declared.clouds:
        yield entry.problem(f"{nobody}: no cloud is declared", at=key)
    elif target.choice is Choice.REGIONS and declared.certain("routers"):
        regions = {region_of(declared, cloud) for cloud in declared.clouds} - {""}
        for name in target.names:
            if name not in regions:
                what = f"{nobody}: no cloud stands in region '{name}'"
                yield entry.problem(what, suggest(name, regions), at=key)


def _check_rp(declared: Declared, pim: Entry[PimBody]) -> Iterator[Problem]:
    yield from _check_name(declared, pim, "rp", "routers")
    router = declared.routers.get(pim.text("rp") or "")
    if router is not None and router.written.get("pim") is False:
        what = f"the rendezvous point {router.name} does no PIM"
        yield pim.problem(
            what, f"choose another, or remove 'pim: false' from {router.name}", at="rp"
        )


def _check_reflectors(declared: Declared, overlay: Entry[OverlayBody]) -> Iterator[Problem]:
    if overlay.body is None:
        return
    for name in overlay.body.route_reflectors:
        if declared.certain("routers") and name not in declared.routers:
            yield overlay.problem(*unknown(declared, "routers", name), at="route_reflectors")
    if overlay.body.signalling is OverlaySignalling.STATIC:
        for key in ("as", "route_reflectors"):
            if key in overlay.written:
                what = f"'{key}' says nothing: nobody speaks BGP in a static overlay"
                yield overlay.problem(what, "add 'signalling: mvpn', or remove it", at=key)


def _check_affinities(declared: Declared) -> Iterator[Problem]:
    """An affinity that no link has is a misspelling: a tree would silently ignore it or fail."""
    if not declared.certain("links"):
        return
    known = {a for link in declared.links if link.body for a in link.body.affinity}
    for delivery in declared.deliveries.values():
        tree = delivery.body.tree if delivery.body else None
        for key in ("exclude_any", "include_any", "include_all"):
            for name in getattr(tree, key, ()):
                if name not in known:
                    what = f"tree.{key}: no link has the affinity '{name}'"
                    yield delivery.problem(what, suggest(name, known), at="tree")


def _check_policy(declared: Declared, policy: Entry[PolicyBody]) -> Iterator[Problem]:
    if "clouds" in policy.written:
        yield from _check_target(declared, policy, "clouds", "a promise to nobody")
    if policy.body is None or not declared.certain("routers", "links", "repositories", "clouds"):
        return
    hosts = (*declared.repositories.values(), *declared.clouds.values())
    occupied = {host.text("router") for host in hosts}
    if policy.body.scope is Scope.LINKS:
        count, noun = len(declared.links), "links"
    else:
        count, noun = len(declared.routers.keys() - occupied), "routers without a host"
    if count == 0:
        yield policy.problem(f"it checks nothing: there are no {noun}", at="scope")
    elif policy.body.failures > count:
        what = f"{policy.body.failures} failures at once, but only {count} {noun}"
        yield policy.problem(what, f"at most {count}", at="failures")
