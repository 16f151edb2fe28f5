"""The multicast VPN of a plan as a document: names, numbers and strings, ready for JSON.  Pure."""

from __future__ import annotations

from toolkit.plan.model import MvpnPlan
from toolkit.state.model import BgpSpeaker, Mvpn

Document = dict[str, object]


def mvpn_document(mvpn: MvpnPlan) -> Document:
    """Return the VPN with its BGP sessions and each edge router's instance."""
    return {
        "vpn": mvpn.vpn,
        "as": mvpn.as_number,
        "route_target": mvpn.route_target,
        "speakers": {name: _speaker(speaker) for name, speaker in mvpn.speakers.items()},
        "instances": {name: _instance(instance) for name, instance in mvpn.instances.items()},
    }


def _speaker(speaker: BgpSpeaker) -> Document:
    return {
        "router_id": speaker.router_id,
        "neighbors": [str(address) for address in speaker.neighbors],
        "clients": [str(address) for address in speaker.clients],
    }


def _instance(instance: Mvpn) -> Document:
    return {
        "rd": instance.rd,
        "tunnel": instance.tunnel,
        "interfaces": list(instance.interfaces),
        **({} if instance.sub_domain_id is None else {"sub_domain_id": instance.sub_domain_id}),
        **({"policies": list(instance.policies)} if instance.policies else {}),
        **({} if instance.group is None else {"group": str(instance.group)}),
    }
