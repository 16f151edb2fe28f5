"""Settings that hold throughout the network, and the constraints of one tree.  Pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from toolkit.inventory import field, model
from toolkit.inventory.body import Body, default_of, pool_of


class PoolsBody(Body, title="Address pools"):
    """Where the plan takes addresses from; all IPv4 or all IPv6."""

    loopbacks: Annotated[field.UnicastPool | None, field.GIVEN] = pool_of(
        "loopbacks", "Loopbacks, one address a router.", "2001:db8::/64"
    )
    links: Annotated[field.UnicastPool | None, field.GIVEN] = pool_of(
        "links", "Core links, two addresses each.", "2001:db8:0:1::/64"
    )
    hosts: Annotated[field.UnicastPool | None, field.GIVEN] = pool_of(
        "hosts", "Access links of repositories and clouds.", "2001:db8:0:2::/64"
    )
    groups: Annotated[field.GroupPool | None, field.GIVEN] = pool_of(
        "groups", "SSM groups (RFC 4607), one a delivery.", "ff3e::8000:0/97"
    )
    asm_groups: Annotated[field.AnySourcePool | None, field.GIVEN] = Field(
        default=None,
        description="Any-source groups of PIM-SM, one a delivery.",
        examples=["ff18::/32"],
        json_schema_extra={"default": str(model.ASM_GROUPS)},
    )


class BierBody(Body, title="BIER"):
    """BIER throughout the network."""

    sub_domain: field.SubDomainId = Field(
        default=default_of(model.BierSettings, "sub_domain"),
        description="Sub-domain (RFC 8279 section 2).",
        examples=[0],
    )
    bsl: field.Bsl = Field(
        default=default_of(model.BierSettings, "bsl"),
        description="BitString length in bits (RFC 8296 section 2.1.2).",
        examples=[256],
    )
    encapsulation: field.EncapsulationName = Field(
        default=default_of(model.BierSettings, "encapsulation"),
        description="With MPLS (RFC 8296 section 2.1) or without (section 2.2).",
        examples=["mpls"],
    )
    tunnel: field.BierTunnelName = Field(
        default=default_of(model.BierSettings, "tunnel"),
        description="What crosses routers that cannot do BIER (RFC 8279 section 6.9).",
        examples=["gre"],
    )
    maximum_paths: field.MaximumPaths = Field(
        default=default_of(model.BierSettings, "maximum_paths"),
        description="Equal-cost ways that flows spread over by entropy (RFC 8279 section 6.7).",
        examples=[4],
    )
    fast_reroute: field.FastRerouteName = Field(
        default=default_of(model.BierSettings, "fast_reroute"),
        description="What BFRs keep backup entries for (draft-ietf-bier-frr).",
        examples=["link"],
    )


class PimBody(Body, title="PIM"):
    """PIM throughout the network (RFC 7761)."""

    rp: Annotated[field.Reference | None, field.GIVEN] = Field(
        default=None,
        description="Router whose loopback is the static rendezvous point; planned if left out.",
        examples=["ams1"],
    )
    spt_switchover: field.SptName = Field(
        default=default_of(model.PimSettings, "spt_switchover"),
        description="When a last-hop router leaves the shared tree (RFC 7761 section 4.2.1).",
        examples=["immediate"],
    )
    ssm_ranges: Annotated[field.GroupRanges | None, field.GIVEN] = Field(
        default=None,
        description="Groups with source trees only; those of RFC 4607 if left out.",
        examples=[["232.0.0.0/8"]],
    )


class SrBody(Body, title="Segment routing"):
    """Label blocks of segment routing, the same on every router (RFC 8660 section 2)."""

    srgb: field.Labelled = Field(
        default=default_of(model.SrSettings, "srgb"),
        description="Global block: node SIDs.",
        examples=["16000-23999"],
        json_schema_extra={"default": str(default_of(model.SrSettings, "srgb"))},
    )
    srlb: field.Labelled = Field(
        default=default_of(model.SrSettings, "srlb"),
        description="Local block: replication SIDs.",
        examples=["15000-15999"],
        json_schema_extra={"default": str(default_of(model.SrSettings, "srlb"))},
    )


class UnderlayBody(Body, title="Underlay"):
    """What routes between routers, and carries what BIER and segment routing advertise."""

    igp: field.IgpName = Field(
        default=default_of(model.Inventory, "igp"),
        description="The IGP: IS-IS level 2, or OSPF in area 0 (with IPv6 OSPFv3).",
        examples=["ospf"],
    )


class OverlayBody(Body, title="Overlay"):
    """How edge routers know which of them want a flow."""

    signalling: field.SignallingName = Field(
        default=default_of(model.OverlaySettings, "signalling"),
        description="(S,G) mappings that the plan writes, or BGP MVPN (RFC 6513, RFC 6514).",
        examples=["mvpn"],
    )
    as_number: field.AsNumber = Field(
        alias="as",
        default=default_of(model.OverlaySettings, "as_number"),
        description="MVPN: the AS of the edge routers.",
        examples=[64_512],
    )
    route_reflectors: field.RouterNames = Field(
        default=(),
        description="MVPN: routers that reflect routes (RFC 4456); a full mesh if left out.",
        examples=[["ams1", "fra1"]],
    )


class QosBody(Body, title="Class of service"):
    """The class of service of deliveries, at senders and in routers."""

    dscp: field.Dscp = Field(
        default=default_of(model.QosSettings, "dscp"),
        description="Code point, by name or number; `none`: routers are told nothing.",
        examples=["le", "cs1", 5, "none"],
        json_schema_extra={"default": "le"},
    )


class TreeBody(Body, title="Constraints of a P2MP tree"):
    """What the tree of a delivery is computed under (SR-P2MP)."""

    metric: field.TreeMetricName = Field(
        default=default_of(model.TreeConstraints, "metric"),
        description="What it is short in.",
        examples=["igp"],
    )
    exclude_any: field.Labels = Field(
        default=(), description="No link with one of these affinities.", examples=[["leased"]]
    )
    include_any: field.Labels = Field(
        default=(), description="Only links with one of these affinities.", examples=[["gold"]]
    )
    include_all: field.Labels = Field(
        default=(), description="Only links with all of these affinities.", examples=[["gold"]]
    )
    disjoint: field.DisjointnessName = Field(
        default=default_of(model.TreeConstraints, "disjoint"),
        description="What the second candidate path avoids of the first; `none`: there is none.",
        examples=["link"],
    )
