"""A conformance vector: steps that a BFR takes, and what has to come of each.

Law: a vector is read whole or refused with every problem named; what is read holds octets and
programs only, nothing symbolic (`toolkit.bier.conformance.expansion` makes these from the compact
files).  `document` and `read_vector` are each other's inverse: the first is what
`llmsync bier vectors export` writes.  Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from toolkit.bier.checked import Checked
from toolkit.bier.conformance.needs import needs_of
from toolkit.bier.conformance.plane import Delivered, Need
from toolkit.bier.document import BiftFileError, read_program
from toolkit.bier.program import Program
from toolkit.bier.reason import Reason
from toolkit.errors import Problem

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Load:
    """Program the BFR."""

    program: Program
    document: Document
    """What the program was read from."""


@dataclass(frozen=True, slots=True)
class Fail:
    """An interface has failed (None: none has, any more)."""

    interface: str | None


@dataclass(frozen=True, slots=True)
class Receive:
    """A frame comes in."""

    interface: str
    frame: bytes
    out: tuple[tuple[str, bytes], ...] = ()
    delivered: tuple[Delivered, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    host: tuple[bytes, ...] = ()
    """IP packets for this BFR's own IP stack."""
    header: Mapping[str, object] = field(default_factory=dict)
    """The fields of the BIER header in `frame`, for readers; empty where there is none."""
    comment: str = ""


class Choice(NamedTuple):
    """One packet of a Spread."""

    flow: int
    """Packets with the same number (they have the same entropy) take the same way."""
    interface: str
    frame: bytes
    ways: tuple[tuple[tuple[str, bytes], ...], ...]
    """Way -> exactly these copies; nothing is delivered or dropped."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Packets that may take one of several ways each (RFC 8279 section 6.7).

    Which one is the plane's choice, but all packets of a flow take the same, also when they come
    again, and together the flows use `used` of the ways.
    """

    choices: tuple[Choice, ...]
    used: int
    comment: str = ""


Step = Load | Fail | Receive | Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One case."""

    name: str
    meaning: str
    source: str
    """The section of an RFC, or the name of a test elsewhere."""
    steps: tuple[Step, ...]
    needs: frozenset[Need]
    group: str = ""
    """The file it is from."""


def read_vector(document: object, file: str = "") -> Vector:
    """Return an expanded vector; BiftFileError with every problem, places in `file`."""
    problems: list[Problem] = []
    top = Checked(document, "", file, problems)
    name, meaning, source = top.text("name"), top.text("meaning"), top.text("source")
    group = top.text("group", "")
    said = _needs_said(top)
    steps = tuple(step for body in top.objects("steps") if (step := _step(body, file)))
    top.close()
    if not any(isinstance(step, Receive | Spread) for step in steps) and not problems:
        top.wrong("steps", "receive nothing", "a vector without a packet shows nothing")
    if problems:
        raise BiftFileError(problems)
    return Vector(
        name=name,
        meaning=meaning,
        source=source,
        steps=steps,
        needs=_needs(steps) | said,
        group=group,
    )


def document(vector: Vector) -> dict[str, object]:
    """Return the vector as JSON-ready values."""
    return {
        "name": vector.name,
        "meaning": vector.meaning,
        "source": vector.source,
        "group": vector.group,
        "needs": sorted(vector.needs),
        "steps": [_written(step) for step in vector.steps],
    }


def _needs_said(top: Checked) -> frozenset[Need]:
    """Read what the steps do not show; what they show may be written too, for readers."""
    value = top.take("needs")
    words = [str(word) for word in value] if isinstance(value, list) else []
    for word in words:
        if word not in set(Need):
            top.wrong("needs", f"{word!r} is not known", ", ".join(Need))
    return frozenset(Need(word) for word in words if word in set(Need))


def _needs(steps: tuple[Step, ...]) -> frozenset[Need]:
    copies = max((len(s.out) for s in steps if isinstance(s, Receive)), default=0)
    needs = needs_of([s.program for s in steps if isinstance(s, Load)], copies)
    reasons = {reason for s in steps if isinstance(s, Receive) for reason in s.dropped}
    if reasons - set(Reason):
        needs |= {Need.FRAME_COUNTERS}
    return needs | {Need.BACKUP} if any(isinstance(s, Fail) for s in steps) else needs


def _step(body: Checked, file: str) -> Step | None:
    if "program" in body:
        described = body.take("program")
        body.close()
        try:
            program = read_program(described, file)
        except BiftFileError as error:
            body.problems.extend(error.problems)
            return None
        return Load(program, described if isinstance(described, Mapping) else {})
    if "fail" in body:
        failed = body.take("fail")
        if failed is not None and not isinstance(failed, str):
            body.wrong("fail", "is no name of an interface", "or null")
        body.close()
        return Fail(failed if isinstance(failed, str) else None)
    if "spread" in body:
        return _spread(body)
    return _receive(body)


def _spread(body: Checked) -> Spread:
    choices = []
    for one in body.objects("spread"):
        flow = one.integer("flow", 0, (1 << 20) - 1)
        interface, frame = _frame(one.below("receive", one.take("receive")))
        ways = one.take("ways")
        found = []
        for number, way in enumerate(ways if isinstance(ways, list) else ()):
            held = one.below(f"ways[{number}]", {"out": way})
            found.append(tuple(_frame(sent) for sent in held.objects("out")))
        one.close()
        choices.append(Choice(flow, interface, frame, tuple(found)))
    used, comment = body.integer("used", 1, 1 << 20), body.text("comment", "")
    body.close()
    return Spread(tuple(choices), used, comment)


def _frame(body: Checked) -> tuple[str, bytes]:
    """Read `interface` and `frame`."""
    interface = body.text("interface")
    frame = body.parsed("frame", bytes.fromhex, "hexadecimal")
    if frame is None:
        body.wrong("frame", "is missing", "hexadecimal, from the Ethernet header on")
    body.close()
    return interface, frame or b""


def _receive(body: Checked) -> Receive | None:
    if "receive" not in body:
        body.wrong("", "is no step", "program, fail, receive or spread")
        return None
    inside = body.below("receive", body.take("receive"))
    header = inside.take("header")
    interface, frame = _frame(inside)
    comment = body.text("comment", "")
    out = tuple(_frame(sent) for sent in body.objects("out"))
    delivered = []
    for handed in body.objects("deliver"):
        delivered.append(
            Delivered(
                handed.integer("proto", 0, 63),
                handed.integer("bfir_id", 0, 65535),
                handed.integer("sub_domain", 0, 255),
                handed.parsed("payload", bytes.fromhex, "hexadecimal") or b"",
            )
        )
        handed.close()
    host = body.take("host")
    packets = tuple(bytes.fromhex(str(p)) for p in host) if isinstance(host, list) else ()
    dropped = _counts(body)
    body.close()
    return Receive(
        interface,
        frame,
        out,
        tuple(delivered),
        dropped,
        packets,
        header if isinstance(header, Mapping) else {},
        comment,
    )


def _counts(body: Checked) -> dict[str, int]:
    value = body.take("dropped")
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        body.wrong("dropped", "is not an object of reasons and numbers")
        return {}
    inside = body.below("dropped", value)
    return {str(reason): inside.integer(str(reason), 1, 1 << 32) for reason in value}


def _written(step: Step) -> dict[str, object]:
    if isinstance(step, Load):
        return {"program": step.document}
    if isinstance(step, Fail):
        return {"fail": step.interface}
    found: dict[str, object] = {"comment": step.comment} if step.comment else {}
    if isinstance(step, Spread):
        found["spread"] = [
            {
                "flow": c.flow,
                "receive": _named((c.interface, c.frame)),
                "ways": [[_named(sent) for sent in way] for way in c.ways],
            }
            for c in step.choices
        ]
        found["used"] = step.used
        return found
    received: dict[str, object] = dict(_named((step.interface, step.frame)))
    if step.header:
        received["header"] = dict(step.header)
    found["receive"] = received
    found["out"] = [_named(sent) for sent in step.out]
    found["deliver"] = [{**d._asdict(), "payload": d.payload.hex()} for d in step.delivered]
    if step.host:
        found["host"] = [packet.hex() for packet in step.host]
    found["dropped"] = dict(step.dropped)
    return found


def _named(sent: tuple[str, bytes]) -> dict[str, str]:
    interface, frame = sent
    return {"interface": interface, "frame": frame.hex()}
