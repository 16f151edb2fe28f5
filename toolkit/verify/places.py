"""Where on a device something stands: YANG data paths of the reference platform's modules.

Pure.  Paths are instance identifiers in the form of RFC 7951 section 6.11.
"""

from __future__ import annotations

from toolkit.errors import Place
from toolkit.inventory.model import Inventory
from toolkit.planes.interior import Protocol
from toolkit.state.model import IpAddress, IpInterface, IpNetwork

ISIS = "/llmsync-isis:isis"
OSPF = "/llmsync-ospf:ospf"
BIER = "/llmsync-bier:bier"
SR = "/llmsync-sr:segment-routing"
P2MP = "/llmsync-sr:p2mp"
OVERLAY = "/llmsync-overlay:overlay"
PIM = "/llmsync-pim:pim"
STATIC_RPS = f"{PIM}/static-rp"
SSM_RANGES = f"{PIM}/ssm-range"
BGP = "/llmsync-mvpn:bgp"
VPNS = "/llmsync-mvpn:mvpn"
EDGE = "/llmsync-edge:edge"
QOS = "/llmsync-edge:qos"
MEMBERSHIP = "/llmsync-pim:membership"
DELIVERIES = "/llmsync-delivery:deliveries"


def interface(name: str) -> str:
    return f"/ietf-interfaces:interfaces/interface[name='{name}']"


def address(name: str, value: IpInterface) -> str:
    return f"{interface(name)}/ietf-ip:ipv{value.version}/address[ip='{value.ip}']"


def network_mtu(name: str) -> str:
    return f"{interface(name)}/llmsync-isis:network-mtu"


def isis_interface(name: str) -> str:
    return f"{ISIS}/interface[name='{name}']"


def ospf_interface(name: str) -> str:
    return f"{OSPF}/interface[name='{name}']"


def igp(protocol: Protocol) -> str:
    """Path of the router's identifier in the IGP."""
    return f"{ISIS}/system-id" if protocol is Protocol.ISIS else f"{OSPF}/router-id"


def igp_interface(protocol: Protocol, name: str) -> str:
    return isis_interface(name) if protocol is Protocol.ISIS else ospf_interface(name)


def bier_interface(name: str) -> str:
    return f"{BIER}/interface[name='{name}']"


def pim_interface(name: str) -> str:
    return f"{PIM}/interface[name='{name}']"


def membership(name: str) -> str:
    """Path of IGMP or MLD on an interface."""
    return f"{MEMBERSHIP}/interface[name='{name}']"


def static_rp(address: IpAddress, groups: IpNetwork) -> str:
    return f"{STATIC_RPS}[address='{address}'][group-prefix='{groups}']"


def ssm_range(groups: IpNetwork) -> str:
    return f"{SSM_RANGES}[.='{groups}']"


def sub_domain(number: int) -> str:
    return f"{BIER}/sub-domain[id='{number}']"


def encapsulation(number: int, bsl: int, kind: str) -> str:
    return f"{sub_domain(number)}/encapsulation[bsl='{bsl}'][kind='{kind}']"


def flow(direction: str, source: IpAddress, group: IpAddress) -> str:
    """Path of an overlay flow; `direction` is `ingress` or `egress`."""
    return f"{OVERLAY}/{direction}-flow[source='{source}'][group='{group}']"


def node_sid(prefix: IpNetwork) -> str:
    return f"{SR}/node-sid[prefix='{prefix}']"


def mpls_interface(name: str) -> str:
    return f"{SR}/interface[name='{name}']"


def policy(root: IpAddress, tree_id: int) -> str:
    return f"{P2MP}/policy[root='{root}'][tree-id='{tree_id}']"


def segment(root: IpAddress, tree_id: int, instance_id: int) -> str:
    keys = f"[root='{root}'][tree-id='{tree_id}'][instance-id='{instance_id}']"
    return f"{P2MP}/replication-segment{keys}"


def tree_flow(source: IpAddress, group: IpAddress) -> str:
    return f"{P2MP}/flow[source='{source}'][group='{group}']"


def bgp_neighbor(address: IpAddress) -> str:
    return f"{BGP}/neighbor[address='{address}']"


def protection(name: str) -> str:
    """Path of what an edge interface takes from its host."""
    return f"{EDGE}/interface[name='{name}']"


def vpn(name: str) -> str:
    return f"{VPNS}/instance[name='{name}']"


def session(name: str) -> str:
    return f"{DELIVERIES}/session[name='{name}']"


def on(device: str, path: str = "") -> Place:
    """Return the place `path` on `device`."""
    return Place(file=device, path=path)


def declared(inventory: Inventory | None, section: str, name: str) -> Place:
    """Return where the inventory declares `name`, or only its dotted path where no inventory is
    known.

    `section`: `routers`, `links`, `repositories`, `clouds`, `deliveries` or `policies`.
    """
    path = f"{section}.{name}"
    if inventory is None:
        return Place(path=path)
    sequences = {
        "links": {link.name: link.place for link in inventory.links},
        "policies": {policy.name: policy.place for policy in inventory.policies},
    }
    if section in sequences:
        place = sequences[section].get(name, Place())
    else:
        item = getattr(inventory, section).get(name)
        place = Place() if item is None else item.place
    return Place(file=place.file, line=place.line, path=path)
