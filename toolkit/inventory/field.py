"""One value of an inventory: how it is read, and what an editor may know about it.

Pure.  Each type below is a parser for the loader and a JSON Schema for editors; the schema is never
stricter than the parser.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, PlainValidator, WithJsonSchema

from toolkit.inventory import address, credential, dscp, identifier, label, model, quantity
from toolkit.inventory.refusal import Refusal
from toolkit.inventory.suggestion import closest
from toolkit.inventory.target import Target, parse_target

Json = dict[str, Any]
Choice = TypeVar("Choice", bound=StrEnum)

BIT_STRING_LENGTHS = (64, 128, 256, 512, 1024, 2048, 4096)
"""RFC 8296 section 2.1.2."""
METRICS = (1, 16_777_214)
"""RFC 5305 section 3: a link of metric 2^24 - 1 carries no traffic."""
OSPF_COSTS = (1, 65_535)
"""RFC 2328 appendix C.3."""
AS_NUMBERS = (1, 65_534)
"""Two octets: so that route targets and PMSI attributes are the same on every platform; 65535 is
reserved (RFC 7300)."""
MOST_GPUS = 1_000_000
MOST_FAILURES = 8
"""At once; more is not a policy but a disaster, and nobody can compute it."""


class Scope(StrEnum):
    """What a policy lets fail."""

    LINKS = "links"
    NODES = "nodes"


def _text(**rules: object) -> Json:
    return {"type": "string", **rules}


def _range(low: int, high: int) -> Json:
    return {"type": "integer", "minimum": low, "maximum": high}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items, "uniqueItems": True}


def _single(key: str, value: Json) -> Json:
    """Return the schema of a mapping with exactly this key."""
    return {
        "type": "object",
        "properties": {key: value},
        "required": [key],
        "additionalProperties": False,
    }


def _words(kind: type[StrEnum]) -> list[str]:
    return [member.value for member in kind]


def _choice(kind: type[Choice]) -> Callable[[object], Choice]:
    def parse(value: object) -> Choice:
        words = _words(kind)
        if isinstance(value, str) and value in words:
            return kind(value)
        near = closest(value, words) if isinstance(value, str) else ""
        reason = f"is not one of: {', '.join(words)}" if len(words) > 1 else f"is not '{words[0]}'"
        raise Refusal(reason, f"did you mean '{near}'?" if near and len(words) > 1 else "")

    return parse


def _whole(low: int, high: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Refusal("is not a whole number", f"{low} to {high}, without quotes")
        if not low <= value <= high:
            raise Refusal(f"is not between {low} and {high}")
        return value

    return parse


def _parse_boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise Refusal("is neither true nor false", "write true or false, without quotes")
    return value


def _parse_bsl(value: object) -> int:
    if type(value) is int and value in BIT_STRING_LENGTHS:
        return value
    raise Refusal("is not a BitString length", f"one of: {', '.join(map(str, BIT_STRING_LENGTHS))}")


def _given(value: object) -> object:
    if value is None:
        raise Refusal("is not a value")
    return value


GIVEN = BeforeValidator(_given)
"""On what may be left out: then it is None, but nobody writes null."""

NAME_SCHEMA = _text(pattern=identifier.NAME_PATTERN)
_LABEL = _text(minLength=1, maxLength=identifier.LABEL_LENGTH)
_ENV = _single("env", _text(pattern=credential.ENVIRONMENT_PATTERN))
_FILE = _single("file", _text(minLength=1))
_RATE: Json = {
    "anyOf": [
        _range(quantity.LOWEST_RATE, quantity.HIGHEST_RATE),
        _text(pattern=quantity.RATE_PATTERN),
    ]
}
_TARGET: Json = {
    "oneOf": [
        {"const": "all"},
        {**_list(NAME_SCHEMA), "minItems": 1},
        _single("region", _LABEL),
        _single("regions", {**_list(_LABEL), "minItems": 1}),
    ]
}

Name = Annotated[str, PlainValidator(identifier.parse_name), WithJsonSchema(NAME_SCHEMA)]
Reference = Annotated[str, PlainValidator(identifier.parse_label), WithJsonSchema(NAME_SCHEMA)]
"""A name declared elsewhere; whether it exists is for the whole inventory to say."""
Label = Annotated[str, PlainValidator(identifier.parse_label), WithJsonSchema(_LABEL)]
Labels = Annotated[
    tuple[str, ...], PlainValidator(identifier.parse_labels), WithJsonSchema(_list(_LABEL))
]
PortName = Annotated[
    str,
    PlainValidator(identifier.parse_port_name),
    WithJsonSchema(_text(minLength=1, maxLength=identifier.LABEL_LENGTH, pattern=r"^\S+$")),
]
Area = Annotated[
    str,
    PlainValidator(identifier.parse_area),
    # The loader also takes upper case and says what a whole NET is; so does the pattern.
    WithJsonSchema(_text(pattern=identifier.AREA_PATTERN)),
]
ModelPath = Annotated[
    str, PlainValidator(identifier.parse_model), WithJsonSchema(_text(minLength=1))
]
Rate = Annotated[int, PlainValidator(quantity.parse_rate), WithJsonSchema(_RATE)]
Delay = Annotated[
    float,
    PlainValidator(quantity.parse_delay),
    WithJsonSchema(_text(pattern=quantity.DELAY_PATTERN)),
]
Mtu = Annotated[
    int, PlainValidator(quantity.parse_mtu), WithJsonSchema(_range(*quantity.MTU_RANGE))
]
Metric = Annotated[int, PlainValidator(_whole(*METRICS)), WithJsonSchema(_range(*METRICS))]
Gpus = Annotated[int, PlainValidator(_whole(1, MOST_GPUS)), WithJsonSchema(_range(1, MOST_GPUS))]
Failures = Annotated[
    int, PlainValidator(_whole(1, MOST_FAILURES)), WithJsonSchema(_range(1, MOST_FAILURES))
]
Port = Annotated[int, PlainValidator(_whole(1, 65535)), WithJsonSchema(_range(1, 65535))]
SubDomainId = Annotated[int, PlainValidator(_whole(0, 255)), WithJsonSchema(_range(0, 255))]
Bsl = Annotated[int, PlainValidator(_parse_bsl), WithJsonSchema({"enum": list(BIT_STRING_LENGTHS)})]
Boolean = Annotated[bool, PlainValidator(_parse_boolean), WithJsonSchema({"type": "boolean"})]
Loopback = Annotated[
    model.IpAddress, PlainValidator(address.parse_loopback), WithJsonSchema(_text(minLength=2))
]
UnicastPool = Annotated[
    model.IpNetwork,
    PlainValidator(address.parse_unicast_pool),
    WithJsonSchema(_text(pattern="^[0-9a-fA-F.:]+/[0-9]+$")),
]
GroupPool = Annotated[
    model.IpNetwork,
    PlainValidator(address.parse_group_pool),
    WithJsonSchema(_text(pattern="^[0-9a-fA-F.:]+/[0-9]+$")),
]
AnySourcePool = Annotated[
    model.IpNetwork,
    PlainValidator(address.parse_any_source_pool),
    WithJsonSchema(_text(pattern="^[0-9a-fA-F.:]+/[0-9]+$")),
]
GroupRanges = Annotated[
    tuple[model.IpNetwork, ...],
    PlainValidator(address.parse_group_ranges),
    WithJsonSchema({**_list(_text(pattern="^[0-9a-fA-F.:]+/[0-9]+$")), "minItems": 1}),
]
Labelled = Annotated[
    model.LabelRange,
    PlainValidator(label.parse_label_range),
    WithJsonSchema(_text(pattern=label.RANGE_PATTERN)),
]
Host = Annotated[str, PlainValidator(credential.parse_host), WithJsonSchema(_text(minLength=1))]
Username = Annotated[
    str, PlainValidator(credential.parse_username), WithJsonSchema(_text(minLength=1))
]
Password = Annotated[
    model.Secret,
    PlainValidator(credential.parse_password),
    WithJsonSchema({"oneOf": [_ENV, _FILE]}),
]
Key = Annotated[
    model.Secret,
    PlainValidator(credential.parse_key),
    WithJsonSchema({"oneOf": [{"const": "agent"}, _ENV, _FILE]}),
]
HostKey = Annotated[
    str,
    PlainValidator(credential.parse_host_key),
    WithJsonSchema(_text(pattern=r"^\s*(ssh|ecdsa)-\S+\s+\S+")),
]
To = Annotated[Target, PlainValidator(parse_target), WithJsonSchema(_TARGET)]
PlatformName = Annotated[
    model.Platform,
    PlainValidator(_choice(model.Platform)),
    WithJsonSchema(_text(enum=_words(model.Platform))),
]
TransportName = Annotated[
    model.Transport,
    PlainValidator(_choice(model.Transport)),
    WithJsonSchema(_text(enum=_words(model.Transport))),
]
ImpositionName = Annotated[
    model.Imposition,
    PlainValidator(_choice(model.Imposition)),
    WithJsonSchema(_text(enum=_words(model.Imposition))),
]
EncapsulationName = Annotated[
    model.Encapsulation,
    PlainValidator(_choice(model.Encapsulation)),
    WithJsonSchema(_text(enum=_words(model.Encapsulation))),
]
MaximumPaths = Annotated[int, PlainValidator(_whole(1, 16)), WithJsonSchema(_range(1, 16))]
BierTunnelName = Annotated[
    model.BierTunnel,
    PlainValidator(_choice(model.BierTunnel)),
    WithJsonSchema(_text(enum=_words(model.BierTunnel))),
]
FastRerouteName = Annotated[
    model.FastReroute,
    PlainValidator(_choice(model.FastReroute)),
    WithJsonSchema(_text(enum=_words(model.FastReroute))),
]
IgpName = Annotated[
    model.Igp, PlainValidator(_choice(model.Igp)), WithJsonSchema(_text(enum=_words(model.Igp)))
]
SignallingName = Annotated[
    model.OverlaySignalling,
    PlainValidator(_choice(model.OverlaySignalling)),
    WithJsonSchema(_text(enum=_words(model.OverlaySignalling))),
]
AsNumber = Annotated[int, PlainValidator(_whole(*AS_NUMBERS)), WithJsonSchema(_range(*AS_NUMBERS))]
RouterNames = Annotated[
    tuple[str, ...], PlainValidator(identifier.parse_labels), WithJsonSchema(_list(NAME_SCHEMA))
]
"""Names declared elsewhere; whether they exist is for the whole inventory to say."""
Dscp = Annotated[
    int | None,
    PlainValidator(dscp.parse_dscp),
    WithJsonSchema(
        {"anyOf": [_range(0, dscp.HIGHEST), _text(pattern=dscp.PATTERN)]},
    ),
]
ScopeName = Annotated[
    Scope, PlainValidator(_choice(Scope)), WithJsonSchema(_text(enum=_words(Scope)))
]
SptName = Annotated[
    model.SptSwitchover,
    PlainValidator(_choice(model.SptSwitchover)),
    WithJsonSchema(_text(enum=_words(model.SptSwitchover))),
]
TreeMetricName = Annotated[
    model.TreeMetric,
    PlainValidator(_choice(model.TreeMetric)),
    WithJsonSchema(_text(enum=_words(model.TreeMetric))),
]
DisjointnessName = Annotated[
    model.Disjointness,
    PlainValidator(_choice(model.Disjointness)),
    WithJsonSchema(_text(enum=_words(model.Disjointness))),
]
