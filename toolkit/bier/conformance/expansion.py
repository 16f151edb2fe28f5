"""Vector files to vectors: one for every BitString length, encapsulation and set they are over.

RFC 8279 section 3 (sets), RFC 8296 sections 2.1 and 2.2 (encapsulations, the seven lengths).  Law:
expected octets come from the file and `toolkit.bier.conformance.packing`, never from the engine;
the same file gives the same vectors in the same order.  The format is in tests/vectors/README.md.
Pure: whoever calls has read the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from toolkit.bier.conformance import packing
from toolkit.bier.conformance.receiving import Scene
from toolkit.bier.conformance.template import Symbols, expand, loops
from toolkit.bier.conformance.vector import Vector, read_vector
from toolkit.errors import Place, Problem, ProblemsError

MAX_BFR_ID: Final = 65535
_AXES: Final = ("bsl", "encapsulation", "si")
_EVERYWHERE: Final[Mapping[str, object]] = {
    "bsl": list(packing.CODES),
    "encapsulation": list(packing.ETHERTYPES),
    "si": [0, 1, "max"],
}
_ONCE: Final[Mapping[str, object]] = {"bsl": 256, "encapsulation": "mpls", "si": 0}
_KNOWN: Final = frozenset({"name", "meaning", "source", "over", "needs", "steps"})


class VectorFileError(ProblemsError):
    """The author of a vector file must act."""


def max_si(bsl: int) -> int:
    """Return the largest set of which every bit is a BFR-id: min(255, 65535 // BSL - 1)."""
    return min(255, MAX_BFR_ID // bsl - 1)


@dataclass(frozen=True, slots=True)
class Case:
    """One vector that a file stands for, not expanded yet."""

    name: str
    """`<name in the file>/<what it was expanded over>`; unique in its group."""
    group: str
    bsl: int
    """In bits."""
    encapsulation: str
    _file: Mapping[str, Any]
    _compact: Mapping[str, Any]
    _symbols: Symbols

    @property
    def stem(self) -> str:
        """The name in the file."""
        return str(self._compact["name"])

    @property
    def meaning(self) -> str:
        """What it shows, with this case's numbers."""
        return str(expand(self._compact["meaning"], self._symbols))

    @property
    def source(self) -> str:
        return str(self._compact["source"])

    def vector(self) -> Vector:
        """Return it expanded; VectorFileError where it is wrong."""
        return _vector(self._file, self._compact, self.group, self._symbols, self.name)


def cases(file: Mapping[str, Any], group: str) -> Iterator[Case]:
    """Yield what one file stands for; VectorFileError where that cannot be said."""
    for compact in file["vectors"]:
        for symbols, name in _axes(compact, group):
            bsl, encapsulation = int(symbols["BSL"]), str(symbols["ENCAPSULATION"])
            yield Case(name, group, bsl, encapsulation, file, compact, symbols)


def expanded(file: Mapping[str, Any], group: str) -> Iterator[Vector]:
    """Yield the vectors of one file; VectorFileError at the first one that is wrong."""
    for case in cases(file, group):
        yield case.vector()


def _axes(compact: Mapping[str, Any], group: str) -> Iterator[tuple[dict[str, int | str], str]]:
    unknown = compact.keys() - _KNOWN
    if unknown:
        raise _wrong(group, str(compact.get("name")), f"{', '.join(sorted(unknown))} is not known")
    over = compact.get("over", {})
    spec = {**(_ONCE if over == "once" else _EVERYWHERE), **(over if over != "once" else {})}
    once = over == "once"
    try:
        for found in loops({k: _values(k, v) for k, v in spec.items()}, {}):
            bsl, encapsulation = int(found["bsl"]), str(found["encapsulation"])
            limit = max_si(bsl)
            si = limit if found["si"] == "max" else int(found["si"])
            symbols: dict[str, int | str] = {
                "BSL": bsl,
                "CODE": packing.CODES[bsl],
                "SI": si,
                "MAX_SI": limit,
                "BASE": si * bsl,
                "MPLS": int(encapsulation == "mpls"),
                "ENCAPSULATION": encapsulation,
                "OTHER": "non-mpls" if encapsulation == "mpls" else "mpls",
            }
            more = {k: v for k, v in found.items() if k not in _AXES}
            parts = [str(compact["name"])]
            if not once:
                parts += [f"bsl-{bsl}", encapsulation, f"si-{found['si']}"]
            parts += [f"{k}-{v}" for k, v in more.items()]
            yield {**symbols, **more}, "/".join(parts)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _wrong(group, str(compact.get("name")), str(error)) from None


def _values(axis: str, said: object) -> object:
    return said if isinstance(said, list) or axis not in _AXES else [said]


def _vector(
    file: Mapping[str, Any], compact: Mapping[str, Any], group: str, symbols: Symbols, name: str
) -> Vector:
    try:
        scene = Scene(file.get("programs", {}), symbols)
        steps = expand(compact["steps"], symbols)
        document = {
            "name": name,
            "meaning": expand(compact["meaning"], symbols),
            "source": compact["source"],
            "group": group,
            "needs": compact.get("needs", []),
            "steps": [scene.step(step) for step in _objects(steps)],
        }
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _wrong(group, name, f"{type(error).__name__}: {error}") from error
    return read_vector(document, f"{group}: {name}")


def _objects(steps: object) -> list[dict[str, Any]]:
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise ValueError("steps is a list of objects")
    return steps


def _wrong(group: str, name: str, what: str) -> VectorFileError:
    return VectorFileError([Problem(Place(file=f"{group}.json", path=name), what)])
