"""Who receives a delivery: every cloud, some by name, or those of some regions.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from toolkit.inventory.identifier import parse_label, parse_labels
from toolkit.inventory.refusal import Refusal

_FORMS = "write all, a list of clouds, {region: NAME} or {regions: [NAME, ...]}"


class Choice(Enum):
    """How a target chooses its clouds."""

    ALL = "all"
    CLOUDS = "clouds"
    REGIONS = "regions"


@dataclass(frozen=True, slots=True)
class Target:
    """The value of `to:`; `names` are clouds or regions, empty for ALL."""

    choice: Choice
    names: tuple[str, ...] = ()

    def clouds(self, regions: Mapping[str, str]) -> tuple[str, ...]:
        """Return the clouds it chooses; `regions` maps every cloud to its region."""
        if self.choice is Choice.CLOUDS:
            return self.names
        if self.choice is Choice.ALL:
            return tuple(regions)
        return tuple(cloud for cloud, region in regions.items() if region in self.names)


def parse_target(value: object) -> Target:
    """Return the target that `to:` writes down."""
    match value:
        case "all":
            return Target(Choice.ALL)
        case str():
            raise Refusal("is neither 'all' nor a list", f"a single cloud is a list too: [{value}]")
        case list():
            if "all" in value:
                raise Refusal("'all' stands alone, not in a list", "write to: all", whole=True)
            return Target(Choice.CLOUDS, _some(value))
        case {"region": region, **rest} if not rest:
            if isinstance(region, list):
                raise Refusal("'region' takes one name", "write regions: [...]", whole=True)
            try:
                return Target(Choice.REGIONS, (parse_label(region),))
            except Refusal as refusal:
                raise refusal.inside("region") from None
        case {"regions": regions, **rest} if not rest:
            if not isinstance(regions, list):
                raise Refusal("'regions' takes a list", "write regions: [...]", whole=True)
            try:
                return Target(Choice.REGIONS, _some(regions))
            except Refusal as refusal:
                raise refusal.inside("regions") from None
    raise Refusal("does not say who receives the delivery", _FORMS)


def _some(items: list[object]) -> tuple[str, ...]:
    names = parse_labels(items)
    if not names:
        raise Refusal("the list is empty: a delivery to nobody", _FORMS, whole=True)
    return names
