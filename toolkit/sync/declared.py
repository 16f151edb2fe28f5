"""What a sync file may say, section by section, and the JSON Schema of it.

Pure.  Values come out checked; what they refer to is looked at by `toolkit.sync.config`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from toolkit.inventory import field
from toolkit.inventory.body import Body
from toolkit.inventory.identifier import NAME_PATTERN, parse_labels
from toolkit.inventory.refusal import Refusal
from toolkit.sync.model import LATEST, Policy, Rules, is_model, is_version

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = r"^[0-9]{1,9}(\.[0-9]{1,3})?(ms|s|m|h)$"
_GROUP = re.compile(r"([0-9a-fA-F.]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})")
_PORTS = re.compile(r"([0-9]{1,5})-([0-9]{1,5})")
RULES = Rules()


def parse_duration(value: object) -> float:
    """Return seconds; a number without its unit is refused."""
    if isinstance(value, str) and (matched := re.fullmatch(r"([0-9.]+)(ms|s|m|h)", value)):
        if re.fullmatch(_DURATION, value):
            return float(matched[1]) * _SECONDS[matched[2]]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        raise Refusal("is a time without its unit", f"did you mean '{value}s'?")
    raise Refusal("is not a time", "write it like 10s, 500ms, 5m or 1h")


def parse_wish(value: object) -> tuple[str, str | None]:
    """Return the model and the version (None: the model's own) that `MODEL[@VERSION]` names."""
    if not isinstance(value, str):
        raise Refusal("is not MODEL or MODEL@VERSION", "put it in quotes")
    model, at, version = value.partition("@")
    if not is_model(model) or (at and not is_wanted(version)):
        raise Refusal("is not MODEL or MODEL@VERSION", "like llama, or org/name@v2")
    return model, version if at else None


def is_wanted(text: str) -> bool:
    """Whether `text` can be a version that is wanted: its name, `latest`, or a ref's name."""
    return text == LATEST or all(is_version(part) for part in text.split("/"))


def _wishes(value: object) -> tuple[tuple[str, str | None], ...] | None:
    if value == "all":
        return None
    if not isinstance(value, list) or not value:
        raise Refusal("is neither 'all' nor a list of models", f"a single one is a list: [{value}]")
    found: dict[str, str | None] = {}
    for index, item in enumerate(value):
        try:
            model, version = parse_wish(item)
        except Refusal as refusal:
            raise refusal.inside(index) from None
        if model in found:
            raise Refusal("is a model that is listed twice", "once is enough", at=(index,))
        found[model] = version
    return tuple(found.items())


def _version(value: object) -> str:
    if isinstance(value, str) and is_wanted(value):
        return value
    remedy = "put it in quotes" if isinstance(value, int | float) else "latest, or like v2"
    raise Refusal("is not a version", remedy)


def _named(value: object) -> tuple[str, ...] | None:
    return None if value == "all" else parse_labels(value)


def _group(value: object) -> str:
    if isinstance(value, str) and _GROUP.fullmatch(value):
        return value
    raise Refusal("is not GROUP:PORT", "like 239.255.80.1:4600")


def _ports(value: object) -> tuple[int, int]:
    if isinstance(value, str) and (matched := _PORTS.fullmatch(value)):
        low, high = int(matched[1]), int(matched[2])
        if 0 < low <= high < 65536:
            return low, high
    raise Refusal("is not a range of UDP ports", "like 4500-4531")


def _whole(low: int, high: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise Refusal(f"is not a whole number from {low} to {high}")
        return value

    return parse


def _range(low: int, high: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": low, "maximum": high})


_TEXTS = {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True}
_ALL_OR_TEXTS = {"oneOf": [{"const": "all"}, _TEXTS]}
Duration = Annotated[
    float,
    PlainValidator(parse_duration),
    WithJsonSchema({"type": "string", "pattern": _DURATION}),
]
Wishes = Annotated[Any, PlainValidator(_wishes), WithJsonSchema(_ALL_OR_TEXTS)]
Names = Annotated[Any, PlainValidator(_named), WithJsonSchema(_ALL_OR_TEXTS)]
Version = Annotated[str, PlainValidator(_version), WithJsonSchema({"type": "string"})]
Group = Annotated[
    str, PlainValidator(_group), WithJsonSchema({"type": "string", "pattern": _GROUP.pattern})
]
Ports = Annotated[
    tuple[int, int],
    PlainValidator(_ports),
    WithJsonSchema({"type": "string", "pattern": f"^{_PORTS.pattern}$"}),
]
Payload = Annotated[int, PlainValidator(_whole(100, 65_000)), _range(100, 65_000)]
Sessions = Annotated[int, PlainValidator(_whole(1, 64)), _range(1, 64)]
Keep = Annotated[int, PlainValidator(_whole(1, 1000)), _range(1, 1000)]
Tries = Annotated[int, PlainValidator(_whole(1, 1000)), _range(1, 1000)]
RunningName = Annotated[
    Policy,
    PlainValidator(field._choice(Policy)),
    WithJsonSchema({"type": "string", "enum": [p.value for p in Policy]}),
]


def _time(seconds: float, what: str) -> Any:  # noqa: ANN401 - as pydantic.Field
    shown = f"{seconds:g}s"
    return Field(
        default=seconds, description=what, examples=[shown], json_schema_extra={"default": shown}
    )


class SettingsBody(Body, title="Sync"):
    """The keys of a sync file that are no sections."""

    repository: field.ModelPath = Field(
        description="Folder of the models: MODEL/VERSION/..., or a Hugging Face cache.",
        examples=["/srv/models"],
    )
    state: field.ModelPath | None = Field(
        default=None,
        description="Folder for what must survive a restart; default: beside this file.",
        examples=["/var/lib/llmsync"],
    )
    inventory: field.ModelPath | None = Field(
        default=None,
        description="Inventory whose clouds these are.",
        examples=["inventory.yaml"],
    )
    deliveries: Names | None = Field(
        default=None,
        description="Deliveries of the inventory whose clouds are to have their models, or all.",
        examples=[["minilm"], "all"],
    )
    address: field.Host = Field(
        default="127.0.0.1",
        description="Address of ours that clouds reach by UDP.",
        examples=["192.0.2.1"],
    )
    ports: Ports | None = Field(
        default=None,
        description="UDP ports of sessions, one each; default: any that is free.",
        examples=["4500-4531"],
    )
    group: Group | None = Field(
        default=None,
        description="IP multicast group of the first session; others take the ones after it.",
        examples=["239.255.80.1:4600"],
    )
    interface: field.Label | None = Field(
        default=None,
        description="Multicast leaves there: an interface of ours, by name or by address.",
        examples=["192.0.2.1"],
    )
    payload: Payload = Field(
        default=1400, description="UDP payload of a packet in bytes.", examples=[8800]
    )
    sealed: field.Boolean = Field(
        default=False,
        description="Encrypt what travels; clouds get the keys with their orders.",
        examples=[True],
    )
    rate: field.Rate = Field(
        default=1_000_000_000,
        description="bit/s of a session.",
        examples=["1G"],
        json_schema_extra={"default": "1G"},
    )
    uplink: field.Rate = Field(
        default=RULES.uplink,
        description="bit/s of all sessions together.",
        examples=["10G"],
        json_schema_extra={"default": "10G"},
    )
    sessions: Sessions = Field(
        default=RULES.sessions, description="Sessions at a time, at most.", examples=[2]
    )
    window: Duration = _time(RULES.window, "Requests are gathered for so long.")
    settle: Duration = _time(30.0, "A version is taken when nothing of it changed for so long.")
    interval: Duration = _time(5.0, "The repository is looked at every so often.")
    timeout: Duration = _time(30.0, "A cloud that is silent in a session for so long is lost.")
    presence: Duration = _time(RULES.presence, "A cloud that has not reported for so long is away.")
    keep: Keep = Field(default=2, description="Versions that clouds keep.", examples=[2])
    running: RunningName = Field(
        default=RULES.running,
        description="What becomes of a session whose version nobody wants any more.",
        examples=["finish", "abort"],
        json_schema_extra={"default": RULES.running.value},
    )


class RetryBody(Body, title="Retry"):
    """When a cloud that failed is tried again."""

    first: Duration = _time(RULES.first, "After the first failure; doubled at each.")
    most: Duration = _time(RULES.most, "The longest wait.")
    tries: Tries | None = Field(
        default=None,
        description="Failures after which a cloud is given up for a version; default: never.",
        examples=[10],
    )


class ModelBody(Body, title="Model"):
    """A model of the repository."""

    version: Version = Field(
        default=LATEST,
        description="What clouds are to have: a version, a ref of Hugging Face, or latest.",
        examples=["latest", "v2"],
    )
    rate: field.Rate | None = Field(
        default=None, description="bit/s of its sessions.", examples=["500M"]
    )


class CloudBody(Body, title="Cloud"):
    """A cloud that runs an agent."""

    models: Wishes = Field(
        description="What it is to have: all, or a list of MODEL or MODEL@VERSION.",
        examples=["[llama]"],
    )


SECTIONS: dict[str, type[Body]] = {"models": ModelBody, "clouds": CloudBody}
"""Sections that are mappings of names."""


class SyncFile(BaseModel, title="llmsync sync"):
    """A sync file: which cloud is to have which version of which model."""

    model_config = ConfigDict(extra="forbid")

    models: dict[str, ModelBody]
    clouds: dict[str, CloudBody] = {}
    retry: RetryBody | None = None


def file_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a sync file."""
    schema = SyncFile.model_json_schema()
    settings = SettingsBody.model_json_schema()
    schema["properties"] |= settings["properties"]
    schema["required"] = [*settings["required"], *schema["required"]]
    schema["properties"]["clouds"]["propertyNames"] = {"pattern": NAME_PATTERN}
    bodies = [b["properties"] for b in schema["$defs"].values()]
    for part in [schema["properties"], *bodies]:
        for value in part.values():
            _tidy(value)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _tidy(value: dict[str, Any]) -> None:
    """A key is left out or has a value; nobody writes null."""
    if value.get("default", ...) in (None, {}):
        del value["default"]
    match value.get("anyOf"):
        case [dict(other), {"type": "null"}]:
            del value["anyOf"]
            value |= {**other, **value}
