"""A BFR on real interfaces, as small as can be: engine, responder, packet sockets.

`python tests/oam_forwarder.py FILE` in a namespace forwards by a BIFT document and answers OAM
until it is killed.  It says `ready` once it listens.
"""

from __future__ import annotations

import contextlib
import select
import socket
import sys
import time
from pathlib import Path

from toolkit.bier.engine import Forward
from toolkit.bier.oam_program import responder_of
from toolkit.bier.oam_responder import IpReply
from toolkit.bier.punt import Punt
from toolkit.bier.runtime_oam import ReplySender, host_ports
from toolkit.bier.wire import Encapsulation
from toolkit.cli.oam_live import read_document
from toolkit.inet import ethernet

BIER = 0xAB37
OUTGOING = 4


def main(path: str) -> None:
    program = read_document(Path(path))
    engine = program.engine()
    names = sorted(program.interfaces)
    responder = responder_of(program, host_ports(names))
    assert responder is not None
    links = {}
    for name in names:
        links[name] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(BIER))
        links[name].bind((name, BIER))
    replies = ReplySender()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        for link in select.select(list(links.values()), [], [])[0]:
            try:
                frame, origin = link.recvfrom(0xFFFF)
            except OSError:  # the interface went down: said once
                continue
            if origin[2] == OUTGOING:
                continue
            port = origin[0]
            now = time.time()
            arrived = program.interfaces[port].arrived
            for out in engine.receive(frame[14:], Encapsulation.NON_MPLS, arrived, now):
                if isinstance(out, Forward):
                    to = links[out.neighbor.interface]
                    assert out.neighbor.mac is not None
                    front = ethernet.Header(out.neighbor.mac, to.getsockname()[4], BIER)
                    with contextlib.suppress(OSError):  # the interface is down
                        to.send(front.encode() + out.packet)
                elif isinstance(out, Punt):
                    answer = responder.receive(out, port, now)
                    if isinstance(answer, IpReply):
                        replies.send(answer)


if __name__ == "__main__":
    main(sys.argv[1])
