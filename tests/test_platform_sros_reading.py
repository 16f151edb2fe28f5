"""SR OS: configurations of others, read as what they do."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest
from sros_cases import BIER, PIM, SROS, modules, payloads
from yang_sets import EXAMPLES, needs_modules

from toolkit.plan.silence import filled
from toolkit.render.payload import validate
from toolkit.state.model import (
    BierRouting,
    CandidatePath,
    Downstream,
    EgressFlow,
    Interface,
    IsisInterface,
    LabelBlock,
    NodeSid,
    P2mpPolicy,
    PimRouting,
    ReplicationSegment,
    RouterState,
    SegmentRouting,
    StaticRp,
    SubDomain,
)
from toolkit.state.sros import read_router
from toolkit.yang.untyped import untyped_tree

__all__ = ["modules"]
EXAMPLE = EXAMPLES / "nokia.xml"


FILTER_DEFECTS = {
    "PIM passes": ("<protocol>pim</protocol>", "<protocol>rdp</protocol>"),
    "joins do not": ("<protocol>igmp</protocol>", "<protocol>egp</protocol>"),
    "multicast is not closed": ("<entry-id>1000</entry-id>", "<entry-id>999</entry-id>"),
    "something passes before": ("<entry-id>20</entry-id>", "<entry-id>5</entry-id>"),
    "bound nowhere": ("<filter><ip>", "<gone><ip>"),
    "labelled packets pass": ("<default-forwarding>drop<", "<default-forwarding>forward<"),
}


@needs_modules
@pytest.mark.parametrize("defect", FILTER_DEFECTS)
def test_a_filter_that_does_not_protect_is_not_read_as_protection(
    defect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = re.sub(r">\s+<", "><", payloads(PIM)["r4"].xml)
    port = read_router("r4", untyped_tree(text)).interfaces["host-c4"]
    assert port.protection is not None
    old, new = FILTER_DEFECTS[defect]
    if defect == "multicast is not closed":
        text = re.sub(r"<entry><entry-id>1000</entry-id>.*?</entry>", "", text)
    elif defect == "something passes before":
        text = text.replace("<entry><entry-id>10<", "<entry><entry-id>1</entry-id><match>"
                            "<protocol>udp</protocol></match><action><accept/></action></entry>"
                            "<entry><entry-id>10<")  # fmt: skip
    elif defect == "bound nowhere":
        text = re.sub(r"<filter><ip>[^<]+</ip></filter>", "", text)
    else:
        assert old in text
        text = text.replace(old, new)
    tree = untyped_tree(text)
    assert read_router("r4", tree).interfaces["host-c4"].protection is None


@pytest.mark.parametrize("name", [BIER, PIM])
def test_a_class_that_one_port_lacks_is_not_read_as_the_routers(name: str) -> None:
    text = re.sub(r">\s+<", "><", payloads(name)["r4"].xml)
    assert read_router("r4", untyped_tree(text)).qos is not None
    bound = "<sap-ingress><policy-name>llmsync</policy-name></sap-ingress>"
    bound = bound if name == BIER else "<network-policy>llmsync</network-policy>"
    assert bound in text
    assert read_router("r4", untyped_tree(text.replace(bound, "", 1))).qos is None


@needs_modules
def test_the_example_is_the_router_that_it_describes() -> None:
    state = read_router("metro-7", validate("metro-7", EXAMPLE.read_text(), SROS).tree)
    link = Interface(name="", mtu=9198, bier=True, pim=True, mpls=True)
    loopback = ip_network("192.0.2.7/32")
    assert state == RouterState(
        name="metro-7",
        system_id="0192.0000.2007",
        areas=("49.0051",),
        bier=BierRouting(tunnel="none"),
        interfaces={
            "system": Interface(
                name="system",
                addresses=(ip_interface("192.0.2.7/32"),),
                isis=IsisInterface(passive=True),
            ),
            "to-source": replace(
                link,
                name="to-source",
                addresses=(ip_interface("198.51.100.12/31"),),
                isis=IsisInterface(metric=15),
            ),
            "to-receivers": replace(
                link,
                name="to-receivers",
                addresses=(ip_interface("198.51.100.14/31"),),
                isis=IsisInterface(metric=25),
                membership=3,
            ),
        },
        sub_domains=(SubDomain(sub_domain_id=0, bfr_prefix=loopback, bfr_id=7),),
        egress_flows=(
            EgressFlow(
                source=ip_address("203.0.113.20"),
                group=ip_address("232.7.0.1"),
                interfaces=("to-receivers",),
            ),
        ),
        pim=PimRouting(
            rps=(StaticRp(address=ip_address("192.0.2.1"), groups=ip_network("239.7.0.0/16")),),
            ssm_ranges=(ip_network("232.0.0.0/8"),),
        ),
        sr=SegmentRouting(
            srgb=LabelBlock(20000, 27999),
            srlb=LabelBlock(61000, 61999),
            node_sids=(NodeSid(prefix=loopback, index=7),),
        ),
        replication_segments=(
            ReplicationSegment(
                root=ip_address("192.0.2.7"),
                tree_id=8200,
                instance_id=11,
                sid=61007,
                downstream=(
                    Downstream(
                        node=ip_address("198.51.100.15"), sid=61008, interface="to-receivers"
                    ),
                ),
            ),
        ),
        p2mp_policies=(
            P2mpPolicy(
                name="model-sync",
                root=ip_address("192.0.2.7"),
                tree_id=8200,
                candidate_paths=(CandidatePath(name="primary", preference=200, instance_id=11),),
            ),
        ),
    )


DOWN = {
    "IS-IS": "isis><isis-instance>0</isis-instance>",
    "PIM": "pim>",
    "BIER": "bier>",
    "SR": "segment-routing>",
    "trees": "p2mp-sr-tree>",
}


@needs_modules
@pytest.mark.parametrize("protocol", DOWN)
def test_what_is_disabled_is_read_as_not_there(protocol: str) -> None:
    text = re.sub(r">\s+<", "><", EXAMPLE.read_text())
    start = f"<{DOWN[protocol]}<admin-state>enable"
    assert start in text
    text = text.replace(start, start.removesuffix("enable") + "disable", 1)
    state = read_router("metro-7", untyped_tree(text))
    gone = {
        "IS-IS": (state.system_id, *(i.isis for i in state.interfaces.values())),
        "PIM": (state.pim, *(i.pim for i in state.interfaces.values())),
        "BIER": (state.sub_domains, *(i.bier for i in state.interfaces.values())),
        "SR": (state.sr, *(i.mpls for i in state.interfaces.values())),
        "trees": (state.replication_segments, state.p2mp_policies),
    }
    assert not any(gone[protocol])


def test_what_is_silent_in_a_downstream_node_comes_from_the_plan_in_its_order() -> None:
    def segment(*nodes: tuple[str, int, str | None]) -> RouterState:
        found = tuple(Downstream(node=ip_address(n), sid=s, interface=i) for n, s, i in nodes)
        one = ReplicationSegment(
            root=ip_address("192.0.2.1"), tree_id=8193, instance_id=1, sid=15001, downstream=found
        )
        return RouterState(name="r", replication_segments=(one,))

    plan = segment(("192.0.2.2", 15002, "to-b"), ("192.0.2.3", 15003, "to-a"))
    read = segment(
        ("10.0.0.1", 15003, "to-a"), ("10.0.0.9", 15009, "to-b"), ("10.0.0.2", 15002, "to-b")
    )
    silent = ("replication_segments.downstream.node",)
    assert filled(read, plan, silent) == segment(
        ("192.0.2.2", 15002, "to-b"), ("192.0.2.3", 15003, "to-a"), ("10.0.0.9", 15009, "to-b")
    )
