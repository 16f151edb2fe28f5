"""NORM (RFC 5740) through libnorm, one process for each end: bench/delivery.py starts them.

    send ADDRESS RECEIVERS FILE RATE SEGMENT       nodes 2, 3, ... are the receivers
    receive ADDRESS NODE FILE

64 source symbols and 16 of parity in a block, sent when they are asked for; no congestion control,
no back-off before a NACK, unicast NACKs, a GRTT of 1 ms: the library's advice for few receivers
close by (its issue 45).  The sender ends when all have acknowledged a watermark behind the file.
"""

from __future__ import annotations

import ctypes as c
import os
import sys
from pathlib import Path

GROUP, PORT = b"232.7.7.8", 6007
SENDER_NODE = 1
BUFFER = 64 << 20
SOCKET = 4 << 20
_WATERMARK, _COMPLETED, _ABORTED = 4, 20, 21
_ACK_SUCCESS = 3
_UNITS = {"k": 1e3, "M": 1e6, "G": 1e9}


class Event(c.Structure):
    """NormEvent."""

    _fields_ = [("type", c.c_int), ("session", c.c_void_p), ("sender", c.c_void_p),
                ("object", c.c_void_p)]  # fmt: skip


class Norm:
    """One instance with one session."""

    def __init__(self, address: str, node: int) -> None:
        self._library = c.CDLL("libnorm.so.1")
        for name in ("NormCreateInstance", "NormCreateSession", "NormFileEnqueue"):
            getattr(self._library, name).restype = c.c_void_p
        for name in ("NormGetNextEvent", "NormStartSender", "NormStartReceiver", "NormSetWatermark",
                     "NormSetMulticastInterface", "NormAddAckingNode", "NormFileGetName",
                     "NormSetCacheDirectory", "NormSetTxSocketBuffer", "NormSetRxSocketBuffer",
                     ):  # fmt: skip
            getattr(self._library, name).restype = c.c_bool
        self.instance = c.c_void_p(self._library.NormCreateInstance(c.c_bool(False)))
        self.session = c.c_void_p(
            self._library.NormCreateSession(
                self.instance, GROUP, c.c_uint16(PORT), c.c_uint32(node)
            )
        )
        self("NormSetMulticastInterface", b"eth")
        del address

    def __call__(self, name: str, *arguments) -> int | None:
        """Call a function on the session; exit where it says no."""
        answer = getattr(self._library, name)(self.session, *arguments)
        if answer is False:
            sys.exit(f"norm: {name} is refused")
        return answer

    def cache(self, folder: Path) -> None:
        if not self._library.NormSetCacheDirectory(self.instance, bytes(folder) + b"/"):
            sys.exit("norm: no cache directory")

    def name(self, file: int) -> Path:
        text = c.create_string_buffer(4096)
        self._library.NormFileGetName(c.c_void_p(file), text, c.c_uint(len(text)))
        return Path(os.fsdecode(text.value))

    def event(self) -> Event:
        found = Event()
        while not self._library.NormGetNextEvent(self.instance, c.byref(found), c.c_bool(True)):
            pass
        return found


def send(address: str, receivers: str, file: str, rate: str, segment: str) -> None:
    norm = Norm(address, SENDER_NODE)
    norm("NormSetTxRate", c.c_double(float(rate[:-1]) * _UNITS[rate[-1]]))
    norm("NormSetCongestionControl", c.c_bool(False), c.c_bool(False))
    norm("NormSetGrttEstimate", c.c_double(0.001))
    norm("NormSetGrttMax", c.c_double(0.05))
    norm("NormSetBackoffFactor", c.c_double(0))
    norm("NormSetGroupSize", c.c_uint(10))
    for node in range(int(receivers)):
        norm("NormAddAckingNode", c.c_uint32(node + 2))
    norm("NormStartSender", c.c_uint32(7), c.c_uint32(BUFFER), c.c_uint16(int(segment)),
         c.c_uint16(64), c.c_uint16(16), c.c_uint8(0))  # fmt: skip
    norm("NormSetTxSocketBuffer", c.c_uint(SOCKET))
    sent = c.c_void_p(norm("NormFileEnqueue", os.fsencode(file), None, c.c_uint(0)))
    if not sent.value:
        sys.exit("norm: the file is refused")
    norm("NormSetWatermark", sent, c.c_bool(True))
    while True:
        if norm.event().type != _WATERMARK:
            continue
        if norm("NormGetAckingStatus", c.c_uint32(0xFFFFFFFF)) == _ACK_SUCCESS:
            print("acknowledged by all")
            return
        norm("NormSetWatermark", sent, c.c_bool(True))


def receive(address: str, node: str, file: str) -> None:
    norm = Norm(address, int(node))
    target = Path(file)
    cache = target.parent.parent / "norm-cache"
    cache.mkdir()
    norm.cache(cache)
    norm("NormSetBackoffFactor", c.c_double(0))
    norm("NormSetDefaultUnicastNack", c.c_bool(True))
    norm("NormStartReceiver", c.c_uint32(BUFFER))
    norm("NormSetRxSocketBuffer", c.c_uint(SOCKET))
    while True:
        event = norm.event()
        if event.type == _COMPLETED:
            norm.name(event.object).replace(target)
            print("complete", flush=True)
        elif event.type == _ABORTED:
            print("aborted", flush=True)


def main() -> None:
    {"send": send, "receive": receive}[sys.argv[1]](*sys.argv[2:])
