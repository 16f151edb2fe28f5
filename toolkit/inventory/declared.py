"""What one inventory file may say, section by section, and the JSON Schema of it.

Pure.  Values come out as the types of `toolkit.inventory.model`; what they refer to is not looked
at here.  Defaults are the model's own.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from toolkit.inventory import field, model
from toolkit.inventory.body import Body, default_of, delay_of, mtu_of, port_of, rate_of
from toolkit.inventory.settings import (
    BierBody,
    OverlayBody,
    PimBody,
    PoolsBody,
    QosBody,
    SrBody,
    TreeBody,
    UnderlayBody,
)
from toolkit.inventory.target import Choice, Target


class DomainBody(Body, title="Domain"):
    """An operator's network."""

    area: field.Area = Field(
        default=default_of(model.Domain, "area"),
        description="IS-IS area address (ISO/IEC 10589), in quotes.",
        examples=["49.0001"],
    )


class ManagementBody(Body, title="Management"):
    """How a router's NETCONF server is reached (RFC 6242); secrets by reference only."""

    host: field.Host = Field(description="Address or DNS name.", examples=["192.0.2.11"])
    port: field.Port = Field(
        default=default_of(model.Management, "port"), description="TCP port.", examples=[830]
    )
    username: field.Username = Field(default="", description="SSH user.", examples=["netconf"])
    password: Annotated[field.Password | None, field.GIVEN] = Field(
        default=None,
        description="Where the password is: an environment variable or a file.",
        examples=[{"env": "ROUTER_PASSWORD"}, {"file": "~/.secrets/router"}],
    )
    key: Annotated[field.Key | None, field.GIVEN] = Field(
        default=None,
        description="Where the private key is: the SSH agent, a variable or a file.",
        examples=["agent", {"file": "~/.ssh/id_ed25519"}],
    )
    host_key: field.HostKey = Field(
        default="",
        description="The server's public key in OpenSSH form; without it known_hosts decides.",
        examples=["ssh-ed25519 AAAA..."],
    )


class RouterBody(Body, title="Router"):
    """A router."""

    domain: Annotated[field.Reference | None, field.GIVEN] = Field(
        default=None,
        description="Its domain; may be left out where only one is declared.",
        examples=["atlantic"],
    )
    region: field.Label = Field(
        default="", description="Where it stands; free text.", examples=["europe"]
    )
    platform: field.PlatformName = Field(
        default=default_of(model.Router, "platform"),
        description="Family of the router: which configuration it understands.",
        examples=["reference"],
    )
    loopback: Annotated[field.Loopback | None, field.GIVEN] = Field(
        default=None,
        description="Loopback address, also its BFR-prefix; planned if left out.",
        examples=["10.255.0.1", "2001:db8::1"],
    )
    bier: field.Boolean = Field(
        default=default_of(model.Router, "bier"),
        description="False: cannot do BIER and is crossed as a non-BFR (RFC 8279 section 6.9).",
        examples=[False],
    )
    replication: field.Boolean = Field(
        default=default_of(model.Router, "replication"),
        description="False: no replication segments (RFC 9524); crossed by its node SID.",
        examples=[False],
    )
    pim: field.Boolean = Field(
        default=default_of(model.Router, "pim"),
        description="False: no PIM; no multicast tree of PIM may lead through it.",
        examples=[False],
    )
    edge_protection: field.Boolean = Field(
        default=default_of(model.Router, "edge_protection"),
        description="False: what its edge ports accept from hosts is not configured.",
        examples=[False],
    )
    qos: field.Boolean = Field(
        default=default_of(model.Router, "qos"),
        description="False: no class of service is configured on its ports.",
        examples=[False],
    )
    management: Annotated[ManagementBody | None, field.GIVEN] = Field(
        default=None,
        description="How its NETCONF server is reached.",
        examples=[{"host": "192.0.2.11", "username": "netconf", "key": "agent"}],
    )


class LinkBody(Body, title="Link"):
    """A point-to-point link between two routers."""

    a: field.Reference = Field(description="Router at one end.", examples=["ams1"])
    b: field.Reference = Field(description="Router at the other end.", examples=["fra1"])
    name: Annotated[field.Name | None, field.GIVEN] = Field(
        default=None,
        description="Unique name; a-b if left out, a-b-2 for the second such link.",
        examples=["ams1-fra1-north"],
    )
    metric: field.Metric = Field(
        default=default_of(model.Link, "metric"),
        description="IS-IS wide metric (RFC 5305) or OSPF cost, both ways.",
        examples=[10],
    )
    capacity: field.Rate = rate_of(model.Link, "capacity", "Capacity in bit/s, each way.")
    delay: field.Delay = delay_of(model.Link)
    mtu: field.Mtu = mtu_of(model.Link)
    srlg: field.Labels = Field(
        default=(),
        description="Shared risk link groups: what fails together with it.",
        examples=[["duct-7"]],
    )
    affinity: field.Labels = Field(
        default=(),
        description="Administrative groups (RFC 7308) that constraints of trees speak of.",
        examples=[["leased"]],
    )
    te_metric: Annotated[field.Metric | None, field.GIVEN] = Field(
        default=None,
        description="TE metric (RFC 5305 section 3.7); the metric if left out.",
        examples=[10],
    )
    a_port: Annotated[field.PortName | None, field.GIVEN] = port_of("Physical port of `a`")
    b_port: Annotated[field.PortName | None, field.GIVEN] = port_of("Physical port of `b`")


class RepositoryBody(Body, title="Repository"):
    """A host that models are sent from, beside its router."""

    router: field.Reference = Field(description="Router it is attached to.", examples=["ams1"])
    capacity: field.Rate = rate_of(model.Repository, "capacity", "Capacity of its access link.")
    delay: field.Delay = delay_of(model.Repository)
    mtu: field.Mtu = mtu_of(model.Repository)
    router_port: Annotated[field.PortName | None, field.GIVEN] = port_of("Port of its router")


class CloudBody(Body, title="GPU cloud"):
    """A GPU cloud: a receiving host beside its router."""

    router: field.Reference = Field(description="Router it is attached to.", examples=["lon1"])
    region: Annotated[field.Label | None, field.GIVEN] = Field(
        default=None, description="Its region; its router's if left out.", examples=["europe"]
    )
    capacity: field.Rate = rate_of(model.Cloud, "capacity", "Capacity of its access link.")
    delay: field.Delay = delay_of(model.Cloud)
    mtu: field.Mtu = mtu_of(model.Cloud)
    gpus: field.Gpus = Field(
        default=default_of(model.Cloud, "gpus"), description="Number of GPUs.", examples=[64]
    )
    router_port: Annotated[field.PortName | None, field.GIVEN] = port_of("Port of its router")


class DeliveryBody(Body, title="Delivery"):
    """One model on its way from a repository to GPU clouds."""

    path: field.ModelPath = Field(
        alias="model",
        description="A file, a folder, or `demo` for the packaged model.",
        examples=["demo", "/models/llama"],
    )
    source: field.Reference = Field(
        alias="from", description="Repository it is sent from.", examples=["hub"]
    )
    to: field.To = Field(
        description="`all`, a list of clouds, or the clouds of one or more regions.",
        examples=["all", ["cloud-london"], {"region": "europe"}],
    )
    transport: field.TransportName = Field(
        default=default_of(model.Delivery, "transport"),
        description="How it crosses the network.",
        examples=["bier"],
    )
    imposition: field.ImpositionName = Field(
        default=default_of(model.Delivery, "imposition"),
        description="BIER: who imposes the BitString, the host or the edge router per (S,G).",
        examples=["host"],
    )
    tree: Annotated[TreeBody | None, field.GIVEN] = Field(
        default=None,
        description="SR-P2MP: what its tree is computed under.",
        examples=[{"metric": "delay", "exclude_any": ["leased"]}],
    )
    rate: field.Rate = rate_of(model.Delivery, "rate", "Sending rate in bit/s.")


class PolicyBody(Body, title="Policy"):
    """How much may fail at once while every cloud is still served."""

    scope: field.ScopeName = Field(
        default=field.Scope(default_of(model.Policy, "scope")),
        description="`links` between routers, or `nodes`: routers without a host.",
        examples=["links"],
    )
    failures: field.Failures = Field(
        default=default_of(model.Policy, "failures"),
        description="How many of them may fail at once.",
        examples=[1],
    )
    clouds: field.To = Field(
        default=Target(Choice.ALL),
        description="Which clouds are still served then, as in a delivery's `to`.",
        examples=["all", ["cloud-london"], {"region": "europe"}],
        json_schema_extra={"default": "all"},
    )


def _names(description: str, example: field.Json) -> Any:  # noqa: ANN401 - as pydantic.Field
    return Field(
        default=None,
        description=description,
        examples=[example],
        json_schema_extra={"propertyNames": field.NAME_SCHEMA},
    )


class InventoryFile(Body, title="llmsync inventory"):
    """One file of an inventory.  Sections may stand in any of its files, each name in one only."""

    name: Annotated[field.Name | None, field.GIVEN] = Field(
        default=None, description="Name of the inventory, in one of its files.", examples=["demo"]
    )
    domains: dict[str, DomainBody | None] | None = _names(
        "Operators' networks by name.", {"atlantic": {"area": "49.0001"}}
    )
    routers: dict[str, RouterBody | None] | None = _names(
        "Routers by name.", {"ams1": {"domain": "atlantic", "region": "europe"}}
    )
    links: list[LinkBody] | None = Field(
        default=None,
        description="Links between routers.",
        examples=[[{"a": "ams1", "b": "fra1", "metric": 10, "delay": "4ms"}]],
    )
    repositories: dict[str, RepositoryBody | None] | None = _names(
        "Where models are sent from, by name.", {"hub": {"router": "ams1"}}
    )
    clouds: dict[str, CloudBody | None] | None = _names(
        "GPU clouds by name.", {"cloud-london": {"router": "lon1", "gpus": 64}}
    )
    deliveries: dict[str, DeliveryBody | None] | None = _names(
        "Deliveries by name.", {"minilm": {"model": "demo", "from": "hub", "to": "all"}}
    )
    policies: dict[str, PolicyBody | None] | None = _names(
        "What must survive, by name.", {"survive-a-core-link": {"scope": "links", "failures": 1}}
    )
    pools: PoolsBody | None = Field(
        default=None,
        description="Where addresses are taken from; all IPv4 or all IPv6.",
        examples=[{"loopbacks": "10.255.0.0/16"}],
    )
    bier: BierBody | None = Field(
        default=None, description="BIER throughout the network.", examples=[{"bsl": 256}]
    )
    pim: PimBody | None = Field(
        default=None, description="PIM throughout the network.", examples=[{"rp": "ams1"}]
    )
    sr: SrBody | None = Field(
        default=None,
        description="Segment routing throughout the network.",
        examples=[{"srgb": "16000-23999", "srlb": "15000-15999"}],
    )
    underlay: UnderlayBody | None = Field(
        default=None, description="Routing throughout the network.", examples=[{"igp": "ospf"}]
    )
    overlay: OverlayBody | None = Field(
        default=None,
        description="How edge routers know who wants a flow.",
        examples=[{"signalling": "mvpn", "as": 64_512}],
    )
    qos: QosBody | None = Field(
        default=None, description="The class of service of deliveries.", examples=[{"dscp": "le"}]
    )


BODIES: dict[str, type[Body]] = {
    "domains": DomainBody,
    "routers": RouterBody,
    "links": LinkBody,
    "repositories": RepositoryBody,
    "clouds": CloudBody,
    "deliveries": DeliveryBody,
    "policies": PolicyBody,
    "pools": PoolsBody,
    "bier": BierBody,
    "pim": PimBody,
    "sr": SrBody,
    "underlay": UnderlayBody,
    "overlay": OverlayBody,
    "qos": QosBody,
}
"""Section -> what stands in it, or in each of its entries."""


def file_schema() -> field.Json:
    """Return the JSON Schema (draft 2020-12) of one inventory file."""
    schema = InventoryFile.model_json_schema(by_alias=True)
    properties = [body["properties"] for body in schema["$defs"].values()]
    for value in (value for part in properties for value in part.values()):
        _tidy(value)
    _tidy(schema["properties"]["name"])
    for section in schema["properties"].values():
        section.pop("default", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _tidy(value: field.Json) -> None:
    """Make a key's schema say that it is left out or has a value, but is never null or empty."""
    if value.get("default", ...) in (None, ""):
        del value["default"]
    match value.get("anyOf"):
        case [dict(other), {"type": "null"}]:
            del value["anyOf"]
            value |= other | {key: value[key] for key in other.keys() & value.keys()}
