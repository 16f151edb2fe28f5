"""The steps of a vector file, made into frames and programs.

Law: a step is expanded knowing only the programs before it (their MAC addresses and tunnels) and
itself.  The result is what `toolkit.bier.conformance.vector.read_vector` reads.  Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from toolkit.bier.conformance import packing, picture
from toolkit.bier.conformance.picture import Addresses, Fields, Packet
from toolkit.bier.conformance.template import Symbols, expand, numbers

_BIFT: Final = {"bsl": "=BSL", "si": "=SI", "encapsulation": "{ENCAPSULATION}"}
"""What a BIFT of a vector file says where it says nothing."""
_RECEIVE: Final = frozenset(
    {"on", "as", "bier", "payload", "ip", "frame", "header", "cut", "keep", "append", "above",
     "through", "ethertype", "to_mac", "from_mac"}
)  # fmt: skip
_STEP: Final = frozenset({"receive", "out", "deliver", "host", "dropped", "comment"})


class Scene:
    """One vector while it is expanded."""

    def __init__(self, programs: Mapping[str, object], symbols: Symbols) -> None:
        self._programs, self._symbols = programs, symbols
        self._addresses = Addresses({})

    def step(self, said: Fields) -> Fields:
        """Return a step with programs and frames instead of what stands for them."""
        if "program" in said:
            return {"program": self._program(said["program"])}
        if "fail" in said:
            return said
        if "spread" in said:
            return self._spread(said)
        return self._receive(said)

    def _program(self, said: object) -> Fields:
        more: Fields = {}
        if isinstance(said, dict) and "use" in said:
            more = {k: v for k, v in said.items() if k != "use"}
            said = said["use"]
        if isinstance(said, str):
            if said not in self._programs:
                raise ValueError(f"no program {said}")
            said = expand(self._programs[said], self._symbols)
        if not isinstance(said, dict):
            raise ValueError(f"{said!r} is no program")
        document = {**said, **more}
        defaults = expand(dict(_BIFT), self._symbols)
        document["bifts"] = [{**_object(defaults), **bift} for bift in document.get("bifts", [])]
        interfaces = document.get("interfaces", {})
        document["interfaces"] = {
            name: {"mac": f"02:00:00:00:{_two(at)}", **body}
            for at, (name, body) in enumerate(interfaces.items())
        }
        document["neighbors"] = {
            name: {"mac": f"02:00:00:01:{_two(at)}", **body}
            for at, (name, body) in enumerate(document.get("neighbors", {}).items())
        }
        self._addresses = Addresses(document)
        return document

    def _receive(self, said: Fields) -> Fields:
        _only(said, _STEP)
        packet, received = self._arriving(said["receive"])
        delivered = said.get("deliver", [])
        step: Fields = {
            "receive": received,
            "out": [self._leaving(packet, out) for out in said.get("out", [])],
            "deliver": [
                self._delivery(packet, d) for d in ([{}] if delivered is True else delivered)
            ],
            "host": [picture.payload(host).hex() for host in said.get("host", [])],
            "dropped": {k: v for k, v in said.get("dropped", {}).items() if v},
        }
        return {"comment": said["comment"], **step} if "comment" in said else step

    def _spread(self, said: Fields) -> Fields:
        """Packets over many values of entropy, and the ways they may take."""
        _only(said, {"spread", "over", "used", "comment"})
        packets = []
        for entropy in numbers(said["over"]):
            for flow in said["spread"]:
                bier = {**flow["receive"]["bier"], "entropy": entropy}
                packet, received = self._arriving({**flow["receive"], "bier": bier})
                del received["header"]
                ways = [[self._leaving(packet, o) for o in way] for way in flow["ways"]]
                packets.append({"flow": entropy, "receive": received, "ways": ways})
        used = said.get("used", len(said["spread"][0]["ways"]))
        step: Fields = {"spread": packets, "used": used}
        return {"comment": said["comment"], **step} if "comment" in said else step

    def _arriving(self, said: Fields) -> tuple[Packet | None, Fields]:
        _only(said, _RECEIVE)
        interface = str(said["on"])
        if "frame" in said:
            raw = {"interface": interface, "frame": bytes.fromhex(said["frame"]).hex()}
            return None, raw | ({"header": said["header"]} if "header" in said else {})
        if "ip" in said:
            frame = picture.native(said["ip"], packing.mac(picture.OUTSIDE_MAC))
            return None, {"interface": interface, "frame": _cut(frame, said).hex()}
        bier = dict(said["bier"])
        if "payload" in said:
            bier["payload"] = said["payload"]
        kind = str(said.get("as", self._symbols["ENCAPSULATION"]))
        packet = picture.fresh(bier, self._symbols, kind)
        if "through" in said:
            frame = self._addresses.through(packet, interface, said["through"])
        else:
            stack = b"".join(packing.label(n) for n in numbers(said.get("above", [])))
            octets = stack + _cut(packet.octets, said)
            frame = self._addresses.by(interface, octets, packing.ETHERTYPES[kind], said)
        return packet, {"interface": interface, "frame": frame.hex(), "header": packet.header()}

    def _leaving(self, packet: Packet | None, said: Fields) -> Fields:
        if "frame" in said:
            return {"interface": said["on"], "frame": bytes.fromhex(said["frame"]).hex()}
        if "ip" in said:
            interface = str(said["on"])
            frame = picture.native(said["ip"], self._addresses.own(interface))
            return {"interface": interface, "frame": frame.hex()}
        if packet is None:
            sent = picture.fresh(said, self._symbols, str(self._symbols["ENCAPSULATION"]))
        else:
            sent = picture.copy(packet, said)
        interface, frame = self._addresses.to(str(said["to"]), sent)
        return {"interface": interface, "frame": frame.hex()}

    def _delivery(self, packet: Packet | None, said: Fields) -> Fields:
        found: Fields = {"sub_domain": 0}
        if packet is not None:
            found |= {name: packet.fields[name] for name in ("proto", "bfir_id")}
        rest = picture.payload(said["payload"]) if "payload" in said else None
        if rest is None and packet is not None:
            rest = packet.payload
        return {**found, **said, "payload": (rest or b"").hex()}


def _cut(octets: bytes, said: Fields) -> bytes:
    """Keep the first `keep` octets, or leave out the last `cut`; then `append` some."""
    if "keep" in said:
        octets = octets[: int(said["keep"])]
    if "cut" in said:
        octets = octets[: len(octets) - int(said["cut"])]
    return octets + bytes.fromhex(said.get("append", ""))


def _two(at: int) -> str:
    return f"{at >> 8:02x}:{at & 0xFF:02x}"


def _only(said: Fields, known: frozenset[str] | set[str]) -> None:
    unknown = said.keys() - known
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))} is not known here")


def _object(value: object) -> Fields:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is no object")
    return value
