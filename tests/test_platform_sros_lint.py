"""SR OS: documents that nokia-conf refuses, and those that it takes and the lint does not."""

from __future__ import annotations

import json
import re

import pytest
from sros_cases import BIER, PIM, SROS, TREES, modules, payloads
from yang_sets import EXAMPLES, SHARED, needs_modules

from toolkit.errors import SchemaError
from toolkit.render.payload import Payload, validate
from toolkit.yang.platforms import PATH_VARIABLE

__all__ = ["modules"]
EXAMPLE = EXAMPLES / "nokia.xml"


@needs_modules
def test_documents_that_the_modules_refuse() -> None:
    """One test: after the first refusal pyang reads all of nokia-conf, once a process."""
    example = EXAMPLE.read_text()
    sets = json.loads((SHARED / "sets.json").read_text())["sets"]
    refused = next(entry["refuse"] for entry in sets if entry["name"] == "nokia")
    bier, pim = compact(payloads(BIER)["r1"].xml), compact(payloads(PIM)["r4"].xml)
    scheduler = "<port-scheduler-policy><policy-name>"
    spoiled = [
        *((example, old, new) for old, new in refused),
        (bier, "<service-id>", "<service-idea>8</service-idea><service-id>"),
        (bier, "<customer>llmsync</customer>", "<customer>nobody</customer>"),
        (bier, ">target:64512:1<", ">64512:1<"),
        (bier, f"{scheduler}llmsync<", f"{scheduler}nobody<"),
        (pim, "<default-forwarding>drop<", "<default-forwarding>refuse<"),
        (pim, "<filter><ip>llmsync-host-c4<", "<filter><ip>llmsync-nobody<"),
        (pim, "<network-policy>llmsync<", "<network-policy>nobody<"),
        (pim, "<interface-name>system<", "<interface-name>a-name-of-more-than-32-characters<"),
    ]
    for text, old, new in spoiled:
        assert old in text
        with pytest.raises(SchemaError) as caught:
            validate("r1", text.replace(old, new), SROS)
        assert all(str(problem).startswith("r1: ") for problem in caught.value.problems)
    with pytest.raises(SchemaError, match=r"4097 is out of range \(allowed: 1\.\.4096\)"):
        validate("r1", example.replace("<bfr-id>7<", "<bfr-id>4097<"), SROS)


def compact(text: str) -> str:
    return re.sub(r">\s+<", "><", text)


ERRORS = {
    "an IS-IS interface that is not there": (
        BIER, "r2", "<isis>", "<isis><interface><interface-name>to-x</interface-name></interface>",
        "there is no interface to-x (nokia-conf-router-isis: no leafref)",
    ),
    "an OSPF interface that is not there": (
        "ospf-pim-ssm-static", "r2", "<area-id>0.0.0.0</area-id>",
        "<area-id>0.0.0.0</area-id><interface><interface-name>to-x</interface-name></interface>",
        "there is no interface to-x (nokia-conf-router-ospf: no leafref)",
    ),
    "a PIM interface that is not there": (
        PIM, "r2", "<pim>", "<pim><interface><interface-name>to-x</interface-name></interface>",
        "there is no interface to-x (nokia-conf-router-pim: no leafref)",
    ),
    "an IGMP interface of the VRF in Base": (
        BIER, "r4", "<router-name>Base</router-name>",
        "<router-name>Base</router-name><igmp><interface><ip-interface-name>host-c4"
        "</ip-interface-name></interface></igmp>",
        "there is no interface host-c4 (nokia-conf-router-igmp: no leafref)",
    ),
    "a port that is not there": (
        PIM, "r2", "<port>1/1/c1/1</port>", "<port>1/1/c99/1</port>",
        "port 1/1/c99/1 is not configured",
    ),
    "an access port with an interface of Base": (
        PIM, "r2", "<mode>network</mode>", "<mode>access</mode>",
        "is in access mode, which an interface of Base cannot be on",
    ),
    "a network port with a SAP": (
        BIER, "r4", "<mode>access</mode>", "<mode>network</mode>",
        "is in network mode, which a SAP cannot be on",
    ),
    "packets that do not fit the port": (
        PIM, "r2", "<mtu>9014</mtu>", "<mtu>9000</mtu>",
        "packets of 9000 octets do not fit the MTU 9000",
    ),
    "a name that begins with a digit": (
        PIM, "r2", "to-r1", "2-r1", "2-r1 does not begin with a letter",
    ),
    "a BIER template that is down": (
        BIER, "r2", "<template-name>llmsync</template-name><admin-state>enable</admin-state>",
        "<template-name>llmsync</template-name>", "it or BIER is not enabled",
    ),
    "a BIER template that no IGP carries": (
        BIER, "r2", "<bier><admin-state>enable</admin-state><template>llmsync</template></bier>",
        "", "no IGP carries it",
    ),
    "sub-domains twice": (
        BIER, "r2", "<sub-domain><start>0</start><end>0</end>",
        "<sub-domain><start>0</start><end>9</end><prefix>10.255.0.2</prefix></sub-domain>"
        "<sub-domain><start>0</start><end>0</end>", "sub-domain 0 stands in",
    ),
    "an SRGB among the static labels": (
        TREES, "r2", "<static-label-range>14968</static-label-range>", "",
        "the SRGB 16000-23999 begins among the static labels, which end at 18431",
    ),
    "label blocks that overlap": (
        TREES, "r2", "<end-label>15999</end-label>", "<end-label>16000</end-label>",
        "block llmsync-srlb 15000-16000 overlaps the SRGB 16000-23999",
    ),
    "a replication SID out of its block": (
        TREES, "r2", "<incoming-sid>15", "<incoming-sid>17", "is not in the reserved block",
    ),
    "a replication SID twice": (
        TREES, "r4", r"<incoming-sid>\d+", "<incoming-sid>15000", "is the replication SID of",
    ),
    "a segment that does nothing": (
        TREES, "r2", "<sid-action>swap</sid-action>", "", "the segment does nothing",
    ),
    "a transit segment without branches": (
        TREES, "r6", "<sid-action>pop<", "<sid-action>swap<", "swap leads to no downstream node",
    ),
    "one segment twice": (
        TREES, "r6", r"llmsync-8193-1</policy-name>(.*?)</replication-segment>",
        r"llmsync-8193-1</policy-name>\1</replication-segment><replication-segment><policy-name>"
        r"llmsync-again</policy-name>\1</replication-segment>",
        "llmsync-8193-1 is of the same root, tree-id and instance-id",
    ),
    "tree-id 0": (
        TREES, "r6", r"<tree-id>\d+</tree-id>", "", "it belongs to no tree",
    ),
    "an instance without a segment at the root": (
        TREES, "r1", "<path-instances><index>1</index><instance-id>1<",
        "<path-instances><index>1</index><instance-id>77<",
        "its instance 77 has no replication segment here",
    ),
    "a candidate path without an active instance": (
        TREES, "r1", "<active-instance>1</active-instance>", "", "none of its instances is active",
    ),
    "a VPN in a sub-domain that is not there": (
        BIER, "r1", "<bier><admin-state>enable</admin-state><sub-domain>0</sub-domain>",
        "<bier><admin-state>enable</admin-state><sub-domain>3</sub-domain>",
        "3 is no sub-domain with a BFR-id here",
    ),
    "joins by PIM over BIER": (
        BIER, "r1", "<c-mcast-signaling>bgp</c-mcast-signaling>", "",
        "joins are signalled by PIM, which these tunnels do not carry",
    ),
    "a VPN without discovery": (
        BIER, "r1", "<type>bgp</type>", "", "edge routers do not find each other",
    ),
    "BGP without multicast VPNs": (
        BIER, "r1", "<mvpn-ipv4>true</mvpn-ipv4>", "", "BGP of Base has no family mvpn-ipv4",
    ),
}  # fmt: skip


@needs_modules
@pytest.mark.parametrize("defect", ERRORS)
def test_documents_that_the_modules_take_and_the_lint_refuses(defect: str) -> None:
    name, router, old, new, expected = ERRORS[defect]
    text = compact(payloads(name)[router].xml)
    pattern = old if "\\" in old or "(" in old else re.escape(old)
    spoiled, count = re.subn(pattern, new, text, flags=re.DOTALL)
    assert count
    with pytest.raises(SchemaError) as caught:
        validate(router, spoiled, SROS)
    said = [str(problem) for problem in caught.value.problems]
    assert any(expected in line for line in said), said
    assert all(line.startswith(f"{router}: /nokia-conf:configure/") for line in said)


OBSOLETE = {
    "replication-sid": "<replication-sid>61007</replication-sid>",
    "sid-action": "<sid-action>push</sid-action>",
    "downstream-nodes": "<downstream-nodes><downstream-index>1</downstream-index>"
    "</downstream-nodes>",
}


@pytest.mark.parametrize("node", OBSOLETE)
def test_obsolete_nodes_are_named_also_where_no_schema_is_at_hand(
    node: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = payloads(TREES)["r6"].xml
    monkeypatch.delenv(PATH_VARIABLE)
    spoiled = text.replace("</tree-id>", f"</tree-id>{OBSOLETE[node]}")
    with pytest.raises(SchemaError, match=f"/{node}: it is obsolete and does nothing"):
        validate("r6", spoiled, SROS)


@pytest.mark.parametrize(
    ("name", "router", "old", "new", "expected"),
    [
        (BIER, "r1", "<bfr-id>1<", "<bfr-id>5000<", "5000 is no BFR-id here"),
        (TREES, "r6", "<tree-id>8193<", "<tree-id>16287<", "16287 is no tree-id here"),
        (TREES, "r6", "<end>23999<", "<end>2<", "16000-2 is no block of labels"),
    ],
)
def test_limits_hold_also_where_no_schema_is_at_hand(
    name: str, router: str, old: str, new: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = payloads(name)[router].xml
    monkeypatch.delenv(PATH_VARIABLE)
    assert old in text
    with pytest.raises(SchemaError, match=expected):
        validate(router, text.replace(old, new), SROS)


@needs_modules
def test_what_works_but_a_person_should_know() -> None:
    def warned(payload: Payload) -> str:
        return "\n".join(map(str, payload.warnings))

    bier = payloads(BIER)["r1"]
    assert "Junos sends and expects 1" in warned(bier)
    proto = bier.xml.replace("<mvpn>", "<mvpn><bier-next-protocol>1</bier-next-protocol>")
    assert warned(validate("r1", proto, SROS)) == ""
    low = proto.replace("<pta-label-in-msb>true</pta-label-in-msb>", "")
    assert "high-order" in warned(validate("r1", low, SROS))
    assert "a bud: a leaf with downstream nodes" in warned(payloads(TREES)["r4"])
    far = payloads(TREES)["r6"].xml.replace("<end>23999<", "<end>600000<")
    assert "beyond 524287" in warned(validate("r6", far, SROS))
    alone = payloads("bier-fast-reroute")["r2"].xml.replace("<loopfree-alternate/>", "")
    assert "an IGP that computes none" in warned(validate("r2", alone, SROS))
