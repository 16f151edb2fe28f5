"""What the bodies of all sections share: how a key is declared, and defaults that are the model's.

Pure.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from toolkit.inventory import model
from toolkit.inventory.quantity import format_delay, format_rate


def default_of(kind: type, name: str) -> Any:  # noqa: ANN401 - of the field's own type
    return next(f.default for f in dataclasses.fields(kind) if f.name == name)


def rate_of(kind: type, name: str, description: str) -> Any:  # noqa: ANN401 - as pydantic.Field
    value = default_of(kind, name)
    return Field(
        default=value,
        description=description,
        examples=["10G", "2500M", "1.5Gbit/s"],
        json_schema_extra={"default": format_rate(value)},
    )


def delay_of(kind: type) -> Any:  # noqa: ANN401 - as pydantic.Field
    value = default_of(kind, "delay")
    return Field(
        default=value,
        description="One-way propagation delay, with its unit.",
        examples=["4ms", "250us"],
        json_schema_extra={"default": format_delay(value)},
    )


def mtu_of(kind: type) -> Any:  # noqa: ANN401 - as pydantic.Field
    return Field(
        default=default_of(kind, "mtu"),
        description="Largest network-layer packet in bytes, without the Ethernet header.",
        examples=[1500, 9000],
    )


def port_of(what: str) -> Any:  # noqa: ANN401 - as pydantic.Field
    return Field(
        default=None,
        description=f"{what}, in its platform's words; some platforms need it.",
        examples=["1/1/c1/1", "et-0/0/0"],
    )


def pool_of(name: str, description: str, example: str) -> Any:  # noqa: ANN401 - as pydantic.Field
    return Field(
        default=None,
        description=description,
        examples=[example],
        json_schema_extra={"default": str(default_of(model.Pools, name))},
    )


class Body(BaseModel):
    """The keys of one mapping; others are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
