"""From a draft and wishes to an inventory: one connected network, hosts, policy, rate.

Pure.  Law: what it returns loads and can be planned; what it raises is InventoryError with every
reason that is known at that step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from toolkit.errors import InventoryError, Place, Problem
from toolkit.igp.graph import Edge, Graph
from toolkit.igp.spf import shortest_paths
from toolkit.inventory.importers.choose import Choice, Wishes, choose
from toolkit.inventory.importers.draft import Draft, DraftHost, DraftLink, Note, some
from toolkit.inventory.importers.hosts import place_hosts
from toolkit.inventory.importers.names import numbered
from toolkit.inventory.importers.survival import Survival, parts_of, survival
from toolkit.inventory.model import Transport
from toolkit.inventory.naming import name_links
from toolkit.inventory.quantity import format_rate

RATE = 1_000_000_000
"""Bit/s of a delivery where nobody asks for another and the network carries it."""
CLOUD_CAPACITY = 10_000_000_000


NO_WISHES = Wishes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the inventory shall be like, beside the network itself."""

    wishes: Wishes = NO_WISHES
    largest_component: bool = False
    transport: Transport = Transport.BIER
    model: str = "demo"
    rate: int | None = None
    """Bit/s; None: RATE, or what the paths carry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A whole network, ready to be written."""

    draft: Draft
    repository: DraftHost
    clouds: tuple[DraftHost, ...]
    survival: Survival
    transport: Transport
    model: str
    rate: int

    @property
    def notes(self) -> tuple[Note, ...]:
        """Everything that was decided on the way."""
        return self.draft.notes


def assemble(draft: Draft, order: Order) -> Network:
    """Return the network; InventoryError where it cannot be had."""
    draft = _connected(draft, order)
    if not draft.links:
        what = "no link joins two routers: there is nothing to deliver over"
        raise InventoryError([Problem(Place(draft.file), what)])
    repository, clouds, draft, problems = place_hosts(draft, order.wishes)
    if repository is None and not problems:
        choice, more = choose(draft, order.wishes)
        problems += more
        if choice is not None:
            repository, clouds = _new_hosts(draft, choice)
    if problems or repository is None:
        raise InventoryError(sorted(set(problems)))
    widest = carried(draft, repository.router, [cloud.router for cloud in clouds])
    rate, notes = _rate(draft, order, widest)
    if len({repository.router, *(cloud.router for cloud in clouds)}) == 1:
        text = "repository and clouds are at one router: nothing crosses the network"
        notes.append(Note(kind="policy", text=text, names=(repository.router,)))
    found = survival(draft, repository.router, [cloud.router for cloud in clouds])
    draft, repository, clouds = _settled(
        draft.noting(*notes, *_about(found, clouds)), repository, clouds
    )
    return Network(
        draft=draft,
        repository=repository,
        clouds=clouds,
        survival=found,
        transport=order.transport,
        model=order.model,
        rate=rate,
    )


def _connected(draft: Draft, order: Order) -> Draft:
    """Return one connected network, or the largest part where that was asked for."""
    if not draft.routers:
        raise InventoryError([Problem(Place(draft.file), "there are no routers in it")])
    parts = parts_of(draft)
    if len(parts) == 1:
        return draft
    if not order.largest_component:
        shown = "; ".join(_part(part) for part in parts[:8])
        rest = f"; and {len(parts) - 8} more" if len(parts) > 8 else ""
        what = f"the network is in {len(parts)} parts: {shown}{rest}"
        remedy = "join them in the file, or take the largest with --largest-component"
        raise InventoryError([Problem(Place(draft.file), what, remedy)])
    kept = set(parts[0])
    lost = tuple(name for part in parts[1:] for name in part)
    text = f"{len(parts) - 1} of {len(parts)} parts of the network were left out with their nodes"
    return replace(
        draft,
        routers=tuple(r for r in draft.routers if r.name in kept),
        links=tuple(link for link in draft.links if link.a in kept),
        hosts=tuple(host for host in draft.hosts if host.router in kept),
    ).noting(Note(kind="component", text=text, names=lost))


def _part(part: Sequence[str]) -> str:
    return f"{len(part)} node{'' if len(part) == 1 else 's'} ({some(list(part), 4)})"


def _new_hosts(draft: Draft, choice: Choice) -> tuple[DraftHost, tuple[DraftHost, ...]]:
    regions = {router.name: router.region for router in draft.routers}
    repository = DraftHost(
        name="hub", label="hub", router=choice.repository, role="repository",
        region=regions[choice.repository],
    )  # fmt: skip
    return repository, tuple(
        DraftHost(name=f"cloud-{r}", label=r, router=r, role="cloud", region=regions[r])
        for r in choice.clouds
    )


def _settled(
    draft: Draft, repository: DraftHost, clouds: tuple[DraftHost, ...]
) -> tuple[Draft, DraftHost, tuple[DraftHost, ...]]:
    """Give other names to links and hosts whose names are taken: routers keep theirs.

    Regions are written as they are written first.
    """
    spelt: dict[str, str] = {}
    routers = tuple(
        replace(r, region=spelt.setdefault(r.region.casefold(), r.region)) for r in draft.routers
    )
    draft = replace(draft, routers=routers)
    taken = {router.name for router in draft.routers}
    links = list(draft.links)
    while True:
        names = name_links([(link.a, link.b, link.name or None) for link in links])
        clashing = [number for number, name in enumerate(names) if name in taken]
        if not clashing:
            break
        for number in clashing:
            free = numbered(f"link-{number + 1}", taken.union(names))
            links[number] = replace(links[number], name=free)
    taken.update(names)
    hosts = []
    for host in (repository, *clouds):
        region = spelt.setdefault(host.region.casefold(), host.region)
        hosts.append(replace(host, name=numbered(host.name, taken), region=region))
        taken.add(hosts[-1].name)
    return replace(draft, links=tuple(links)), hosts[0], tuple(hosts[1:])


def carried(draft: Draft, source: str, targets: Sequence[str]) -> int:
    """Return the bit/s that every shortest path from `source` to each of `targets` carries."""
    edges, narrow = [], dict[tuple[str, str], tuple[int, int]]()
    for link in draft.links:
        for a, b in ((link.a, link.b), (link.b, link.a)):
            edges.append(Edge(a, b, link.metric))
            metric, width = narrow.get((a, b), (1 << 62, 0))
            if link.metric < metric:
                narrow[a, b] = link.metric, link.capacity
            elif link.metric == metric:
                narrow[a, b] = metric, min(width, link.capacity)
    paths = shortest_paths(Graph.of((r.name for r in draft.routers), edges), source)
    names, index = paths.graph.names, paths.graph.index
    seen = {index[target] for target in targets}
    stack, least = list(seen), CLOUD_CAPACITY
    while stack:
        node = stack.pop()
        for parent in paths.parents[node]:
            least = min(least, narrow[names[parent], names[node]][1])
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return least


def _rate(draft: Draft, order: Order, widest: int) -> tuple[int, list[Note]]:
    if order.rate is None:
        if widest >= RATE:
            return RATE, []
        text = f"the delivery's rate is {format_rate(widest)}: a link on its paths has no more"
        return widest, [Note(kind="rate", text=text)]
    if order.rate > widest:
        what = f"{format_rate(order.rate)} is more than the paths to the clouds carry"
        remedy = f"at most {format_rate(widest)}"
        raise InventoryError([Problem(Place(draft.file, path="--rate"), what, remedy)])
    return order.rate, []


def behind_bridges(found: Survival, clouds: Sequence[DraftHost]) -> list[DraftHost]:
    """Return those of `clouds` that a bridge separates from the repository."""
    lost = {router for cut in found.cuts for router in cut.clouds}
    return [cloud for cloud in clouds if cloud.router in lost]


def _about(found: Survival, clouds: Sequence[DraftHost]) -> list[Note]:
    if not found.cuts:
        return []
    lost = len(behind_bridges(found, clouds))
    verb = "cloud is" if lost == 1 else "clouds are"
    what = "the policy leaves them out" if found.failures else "no policy is written"
    text = (
        f"{lost} {verb} behind a bridge, a link without a way around it"
        f" ({len(found.cuts)} of the network's {found.bridges} bridges): {what}"
    )
    names = tuple(link_name(cut.link) for cut in found.cuts)
    return [Note(kind="policy", text=text, names=names)]


def link_name(link: DraftLink) -> str:
    """Return the name that a link without parallels has in the inventory."""
    return f"{link.a}-{link.b}"
