"""What one inventory file may say, section by section, and the JSON Schema of it.

Pure.  Values come out as the types of `toolkit.inventory.model`; what they refer to is not looked
at here.  Defaults are the model's own.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from toolkit.inventory import field, model
from toolkit.inventory.quantity import format_delay, format_rate

Json = dict[str, Any]


def _default(kind: type, name: str) -> Any:  # noqa: ANN401 - of the field's own type
    return next(f.default for f in dataclasses.fields(kind) if f.name == name)


def _rate(kind: type, name: str, description: str) -> Any:  # noqa: ANN401 - as pydantic.Field
    value = _default(kind, name)
    return Field(
        default=value,
        description=description,
        examples=["10G", "2500M", "1.5Gbit/s"],
        json_schema_extra={"default": format_rate(value)},
    )


def _delay(kind: type) -> Any:  # noqa: ANN401 - as pydantic.Field
    value = _default(kind, "delay")
    return Field(
        default=value,
        description="One-way propagation delay, with its unit.",
        examples=["4ms", "250us"],
        json_schema_extra={"default": format_delay(value)},
    )


def _mtu(kind: type) -> Any:  # noqa: ANN401 - as pydantic.Field
    return Field(
        default=_default(kind, "mtu"),
        description="Largest network-layer packet in bytes, without the Ethernet header.",
        examples=[1500, 9000],
    )


def _pool(name: str, description: str, example: str) -> Any:  # noqa: ANN401 - as pydantic.Field
    return Field(
        default=None,
        description=description,
        examples=[example],
        json_schema_extra={"default": str(_default(model.Pools, name))},
    )


class Body(BaseModel):
    """The keys of one mapping; others are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class DomainBody(Body, title="Domain"):
    """An operator's network."""

    area: field.Area = Field(
        default=_default(model.Domain, "area"),
        description="IS-IS area address (ISO/IEC 10589), in quotes.",
        examples=["49.0001"],
    )


class ManagementBody(Body, title="Management"):
    """How a router's NETCONF server is reached (RFC 6242); secrets by reference only."""

    host: field.Host = Field(description="Address or DNS name.", examples=["192.0.2.11"])
    port: field.Port = Field(
        default=_default(model.Management, "port"), description="TCP port.", examples=[830]
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
        default=_default(model.Router, "platform"),
        description="Family of the router: which configuration it understands.",
        examples=["reference"],
    )
    loopback: Annotated[field.Loopback | None, field.GIVEN] = Field(
        default=None,
        description="Loopback address, also its BFR-prefix; planned if left out.",
        examples=["10.255.0.1", "2001:db8::1"],
    )
    bier: field.Boolean = Field(
        default=_default(model.Router, "bier"),
        description="False: cannot do BIER and is crossed as a non-BFR (RFC 8279 section 6.9).",
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
        default=_default(model.Link, "metric"),
        description="IS-IS wide metric (RFC 5305), both ways.",
        examples=[10],
    )
    capacity: field.Rate = _rate(model.Link, "capacity", "Capacity in bit/s, each way.")
    delay: field.Delay = _delay(model.Link)
    mtu: field.Mtu = _mtu(model.Link)
    srlg: field.Labels = Field(
        default=(),
        description="Shared risk link groups: what fails together with it.",
        examples=[["duct-7"]],
    )


class RepositoryBody(Body, title="Repository"):
    """A host that models are sent from, beside its router."""

    router: field.Reference = Field(description="Router it is attached to.", examples=["ams1"])
    capacity: field.Rate = _rate(model.Repository, "capacity", "Capacity of its access link.")
    delay: field.Delay = _delay(model.Repository)
    mtu: field.Mtu = _mtu(model.Repository)


class CloudBody(Body, title="GPU cloud"):
    """A GPU cloud: a receiving host beside its router."""

    router: field.Reference = Field(description="Router it is attached to.", examples=["lon1"])
    region: Annotated[field.Label | None, field.GIVEN] = Field(
        default=None, description="Its region; its router's if left out.", examples=["europe"]
    )
    capacity: field.Rate = _rate(model.Cloud, "capacity", "Capacity of its access link.")
    delay: field.Delay = _delay(model.Cloud)
    mtu: field.Mtu = _mtu(model.Cloud)
    gpus: field.Gpus = Field(
        default=_default(model.Cloud, "gpus"), description="Number of GPUs.", examples=[64]
    )


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
        default=_default(model.Delivery, "transport"),
        description="How it crosses the network.",
        examples=["bier"],
    )
    imposition: field.ImpositionName = Field(
        default=_default(model.Delivery, "imposition"),
        description="Who imposes the BitString: the sending host, or the edge router per (S,G).",
        examples=["host"],
    )
    rate: field.Rate = _rate(model.Delivery, "rate", "Sending rate in bit/s.")


class PolicyBody(Body, title="Policy"):
    """How much may fail at once while every cloud is still served."""

    scope: field.ScopeName = Field(
        default=field.Scope(_default(model.Policy, "scope")),
        description="`links` between routers, or `nodes`: routers without a host.",
        examples=["links"],
    )
    failures: field.Failures = Field(
        default=_default(model.Policy, "failures"),
        description="How many of them may fail at once.",
        examples=[1],
    )


class PoolsBody(Body, title="Address pools"):
    """Where the plan takes addresses from; all IPv4 or all IPv6."""

    loopbacks: Annotated[field.UnicastPool | None, field.GIVEN] = _pool(
        "loopbacks", "Loopbacks, one address a router.", "2001:db8::/64"
    )
    links: Annotated[field.UnicastPool | None, field.GIVEN] = _pool(
        "links", "Core links, two addresses each.", "2001:db8:0:1::/64"
    )
    hosts: Annotated[field.UnicastPool | None, field.GIVEN] = _pool(
        "hosts", "Access links of repositories and clouds.", "2001:db8:0:2::/64"
    )
    groups: Annotated[field.GroupPool | None, field.GIVEN] = _pool(
        "groups", "SSM groups (RFC 4607), one a delivery.", "ff3e::8000:0/97"
    )


class BierBody(Body, title="BIER"):
    """BIER throughout the network."""

    sub_domain: field.SubDomainId = Field(
        default=_default(model.BierSettings, "sub_domain"),
        description="Sub-domain (RFC 8279 section 2).",
        examples=[0],
    )
    bsl: field.Bsl = Field(
        default=_default(model.BierSettings, "bsl"),
        description="BitString length in bits (RFC 8296 section 2.1.2).",
        examples=[256],
    )
    encapsulation: field.EncapsulationName = Field(
        default=_default(model.BierSettings, "encapsulation"),
        description="With MPLS (RFC 8296 section 2.1) or without (section 2.2).",
        examples=["mpls"],
    )


def _names(description: str, example: Json) -> Any:  # noqa: ANN401 - as pydantic.Field
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
}
"""Section -> what stands in it, or in each of its entries."""


def file_schema() -> Json:
    """Return the JSON Schema (draft 2020-12) of one inventory file."""
    schema = InventoryFile.model_json_schema(by_alias=True)
    properties = [body["properties"] for body in schema["$defs"].values()]
    for value in (value for part in properties for value in part.values()):
        _tidy(value)
    _tidy(schema["properties"]["name"])
    for section in schema["properties"].values():
        section.pop("default", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _tidy(value: Json) -> None:
    """Make a key's schema say that it is left out or has a value, but is never null or empty."""
    if value.get("default", ...) in (None, ""):
        del value["default"]
    match value.get("anyOf"):
        case [dict(other), {"type": "null"}]:
            del value["anyOf"]
            value |= other | {key: value[key] for key in other.keys() & value.keys()}
