"""An inventory as YAML that a person reads and edits: network.yaml and deliveries.yaml.

Pure.  Law: the loader reads back exactly what the network says; a text that YAML would take for
something else stands in quotes; nothing from a foreign file gets out of its line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network

from toolkit.inventory.importers.assemble import Network, behind_bridges, link_name
from toolkit.inventory.importers.draft import DraftHost, DraftLink, DraftRouter, Note, some
from toolkit.inventory.importers.names import fold, printable
from toolkit.inventory.model import HOSTS, LINKS, LOOPBACKS, Imposition, Platform, Transport
from toolkit.inventory.quantity import format_delay, format_rate

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9-]*( [A-Za-z0-9-]+)*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"})
"""YAML 1.1 takes most of them for truth values."""
_LINE = 118
_LARGE = {
    "loopbacks": IPv4Network("10.192.0.0/10"),
    "links": IPv4Network("10.0.0.0/9"),
    "hosts": IPv4Network("10.128.0.0/10"),
}
"""Pools for networks that outgrow the defaults: 4 million routers and hosts, 4 million links."""
_TAKES_HOST_IMPOSITION = frozenset({Platform.REFERENCE, Platform.FRR})
"""Platforms whose edge ports take BIER packets that a host imposed."""


def scalar(text: str) -> str:
    """Return `text` as YAML reads it back as text."""
    if _PLAIN.fullmatch(text) and text.casefold() not in _WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)


def flow(pairs: Iterable[tuple[str, object]]) -> str:
    """Return a mapping in braces; texts are quoted where they must be, others written as are."""
    return "{" + ", ".join(f"{key}: {_value(value)}" for key, value in pairs) + "}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.written if isinstance(value, _As) else (
        scalar(value) if isinstance(value, str) else str(value)
    )  # fmt: skip


class _As:
    """A value that is written as it stands: `100G`, `4ms`."""

    def __init__(self, written: str) -> None:
        self.written = written


def network_yaml(network: Network, *, command: str) -> str:
    """Return network.yaml; `command` is what made it."""
    draft = network.draft
    parallel = len(draft.links) - len({frozenset((k.a, k.b)) for k in draft.links})
    head = [
        f"{draft.name}: {len(draft.routers)} routers, {len(draft.links)} links"
        + (f" ({parallel} of them parallel to another)" if parallel else ""),
        f"Made by `{command}`; everything that is not written here is planned:"
        " addresses, BFR-ids, labels, groups.",
        *draft.about,
    ]
    lines = [*_comment(head), f"name: {scalar(draft.name)}", ""]
    lines += ["domains:", f"  {scalar(draft.name)}:", '    area: "49.0001"', ""]
    lines += _pools(network)
    of_routers = ("duplicate", "unnamed", "junction", "external", "position", "platform", "bier",
             "management", "secret", "component", "host")  # fmt: skip
    lines += [*_comment(_notes(network.notes, of_routers)), "routers:"]
    rows = [
        (f"  {scalar(router.name)}:", _router(router), router.remark) for router in draft.routers
    ]
    lines += _aligned(rows)
    of_links = ("loop", "directed", "parallel", "capacity", "link", "lan")
    unit = ["mtu, where it is written, is the largest network-layer packet"]
    lines += ["", *_comment([*unit, *_notes(network.notes, of_links)]), "links:"]
    lines += [f"  - {_link(link)}" for link in draft.links]
    return "\n".join(lines) + "\n"


def deliveries_yaml(network: Network) -> str:
    """Return deliveries.yaml."""
    at = {router.name: router for router in network.draft.routers}
    lines = [
        "# Who sends what to whom.",
        "repositories:",
        f"  {scalar(network.repository.name)}: "
        + flow((("router", network.repository.router), ("capacity", _As("100G")))),
        "",
        "clouds:",
    ]
    lines += _aligned(
        [
            (f"  {scalar(cloud.name)}:", _cloud(cloud, at[cloud.router]), "")
            for cloud in network.clouds
        ]
    )
    name = "minilm" if network.model == "demo" else fold(network.model.rpartition("/")[2], 32)
    shown = "the packaged demonstration model; or any file or folder"
    model = "demo".ljust(12) + f" # {shown}" if network.model == "demo" else scalar(network.model)
    lines += [
        "",
        "deliveries:",
        f"  {scalar(_free(name or 'model'))}:",
        f"    model: {model}",
        f"    from: {scalar(network.repository.name)}",
        "    to: all",
        f"    transport: {network.transport}",
    ]
    if network.transport is Transport.BIER:
        if at[network.repository.router].platform in _TAKES_HOST_IMPOSITION:
            why = "the sender imposes the BitString, so a repair reaches exactly who lacks it"
            lines.append(f"    imposition: {Imposition.HOST}     # {why}")
        else:
            why = f"{network.repository.router} takes no BIER packets from a host"
            lines.append(f"    imposition: {Imposition.ROUTER}   # {why}")
    lines.append(f"    rate: {format_rate(network.rate)}")
    return "\n".join([*lines, "", *_policy(network)]) + "\n"


def _free(name: str) -> str:
    return "model" if name == "all" else name


def _router(router: DraftRouter) -> str:
    pairs: list[tuple[str, object]] = []
    if router.region:
        pairs.append(("region", router.region))
    if router.platform is not Platform.REFERENCE:
        pairs.append(("platform", str(router.platform)))
    if not router.bier:
        pairs.append(("bier", False))
    if router.reach is not None:
        reach: list[tuple[str, object]] = [("host", router.reach.host)]
        reach += [("port", router.reach.port)] if router.reach.port != 830 else []
        reach += [("username", router.reach.username)] if router.reach.username else []
        if router.reach.key_file:
            reach.append(("key", _As(flow([("file", router.reach.key_file)]))))
        pairs.append(("management", _As(flow(reach))))
    return flow(pairs)


def _link(link: DraftLink) -> str:
    pairs: list[tuple[str, object]] = [("a", link.a), ("b", link.b)]
    pairs += [("name", link.name)] if link.name else []
    pairs += [
        ("metric", link.metric),
        ("capacity", _As(format_rate(link.capacity))),
        ("delay", _As(format_delay(link.delay))),
    ]
    return flow(pairs + ([("mtu", link.mtu)] if link.mtu is not None else []))


def _cloud(cloud: DraftHost, router: DraftRouter) -> str:
    pairs: list[tuple[str, object]] = [("router", cloud.router)]
    if cloud.region and cloud.region != router.region:
        pairs.append(("region", cloud.region))
    return flow([*pairs, ("capacity", _As("10G")), ("gpus", cloud.gpus)])


def _policy(network: Network) -> list[str]:
    found = network.survival
    if not found.failures and not found.cuts:
        return ["# No policy: no cloud is behind a link."]
    lost = behind_bridges(found, network.clouds)
    lines = _comment(_bridges(network, len(lost))) if lost else []
    if not found.failures:
        return lines
    name = "survive-a-core-link" if found.failures == 1 else "survive-two-core-links"
    pairs: list[tuple[str, object]] = [("scope", "links"), ("failures", found.failures)]
    who = "Every cloud has"
    if lost:
        who = "The others have"
        kept = [cloud.name for cloud in network.clouds if cloud not in lost]
        pairs.append(("clouds", _As(f"[{', '.join(kept)}]")))
    text = (
        f"{who} at least {found.failures + 1} paths from the repository without a common link,"
        " so this can be kept."
    )
    return [*lines, *_comment([text]), "policies:", f"  {name}: {flow(pairs)}"]


def _bridges(network: Network, lost: int) -> list[str]:
    """Say which clouds stand behind a bridge, and which bridge that is."""
    found = network.survival
    verb = "is" if lost == 1 else "are"
    lines = [
        f"{lost} of {len(network.clouds)} clouds {verb} behind a bridge, a link without a way"
        " around it; no plan can serve them without it:",
    ]
    shown = []
    for cut in found.cuts:
        routers = "1 router is" if cut.nodes == 1 else f"{cut.nodes} routers are"
        clouds = f"cloud{'s' if len(cut.clouds) > 1 else ''} at {some(cut.clouds, 40)}"
        shown.append(f"  {link_name(cut.link)}: without it {routers} cut off, with the {clouds}")
    return [*lines, *shown]


def _pools(network: Network) -> list[str]:
    draft = network.draft
    need = {
        "loopbacks": (len(draft.routers) + 1, LOOPBACKS),
        "links": (2 * len(draft.links), LINKS),
        "hosts": (4 * (1 + len(network.clouds)), HOSTS),
    }
    if all(count <= pool.num_addresses for count, pool in need.values()):
        return []
    lines = _comment(["The network outgrows the default pools."])
    return [*lines, "pools:", *(f"  {name}: {pool}" for name, pool in _LARGE.items()), ""]


def _notes(notes: Sequence[Note], kinds: Sequence[str]) -> list[str]:
    return [str(note) for kind in kinds for note in notes if note.kind == kind]


def _comment(texts: Iterable[str]) -> list[str]:
    """Return comment lines, broken between words; each text keeps its indent."""
    lines = []
    for text in texts:
        indent = " " * (len(text) - len(text.lstrip(" ")))
        line = "#"
        for word in printable(text, 10**6).split():
            if len(line) + 1 + len(word) > _LINE and line.strip("# "):
                lines.append(line)
                line = f"#{indent}  "
            line += (" " + indent if line == "#" else " ") + word
        lines.append(line)
    return lines


def _aligned(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    """Return rows of key, value and remark in columns that stay readable."""
    keys = max((len(key) for key, _, _ in rows), default=0)
    values = max((len(value) for _, value, remark in rows if remark), default=0)
    lines = []
    for key, value, remark in rows:
        line = f"{key.ljust(keys)} {value}"
        lines.append(f"{line.ljust(keys + 1 + values)}  # {remark}" if remark else line)
    return lines


def files_of(network: Network, *, command: str) -> Mapping[str, str]:
    """Return file name -> text of the inventory's folder."""
    return {
        "network.yaml": network_yaml(network, command=command),
        "deliveries.yaml": deliveries_yaml(network),
    }
