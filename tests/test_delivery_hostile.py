"""A running delivery with a stranger in it: what he sends is refused, counted, bounded."""

from __future__ import annotations

import base64
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from net import KEY, TRUSTED, MemorySink, MemorySource, Net, Weather
from test_transport_udp import FILES as SITE_FILES
from test_transport_udp import Site

from toolkit.cli.main import main
from toolkit.delivery import events, wire
from toolkit.delivery.control import Done, Fail, Have, Join, Message, Report
from toolkit.delivery.dsse import MAX_PARTS
from toolkit.delivery.fdt import MAX_ELEMENTS, parse_fdt
from toolkit.delivery.manifest import (
    MAX_BLOCKS,
    PAYLOAD_TYPE,
    Manifest,
    OpenedManifest,
    digest,
    open_manifest,
    path_problem,
    seal,
)
from toolkit.delivery.model import Coding, FileEntry, Receipt, Session, Standing, Stretch
from toolkit.delivery.pins import Pins
from toolkit.delivery.receiver import Receiver
from toolkit.delivery.sender import Sender
from toolkit.delivery.sink import FolderSink
from toolkit.delivery.trust import ReplayError
from toolkit.errors import DeliveryError, WireError

CODING = Coding(symbol=64, block=8, parity=32)
FILES = {"a.bin": random.Random(1).randbytes(20_000), "b.bin": b"short"}
MEMORY = 64 * 1024


class HostileNet(Net):
    """`inject` is given every packet that arrives, and returns what arrives before it."""

    inject: Callable[[bytes], list[bytes]] | None = None

    def _arrive(self, name: str, datagram: bytes) -> None:
        receiver = self.receivers.get(name)
        if self.inject is not None and receiver is not None:
            for forged in self.inject(datagram):
                self._handle(name, receiver.receive(forged, self.now))
                assert held(receiver) <= MEMORY + 3 * 16 * 2**20
        super()._arrive(name, datagram)

    def start(self, name: str) -> None:
        super().start(name)
        self.receivers[name]._reception.memory = MEMORY


def held(receiver: Receiver) -> int:
    """Bytes that the engine holds, by its own books."""
    reception = receiver._reception
    catalog = reception.catalog
    blocks = 0 if catalog is None else catalog.buffers.used
    assert blocks <= MEMORY
    return blocks + reception.bootstrap.memory


def survives(inject: Callable[[bytes], list[bytes]], **options: object) -> dict[str, int]:
    """Run a delivery with it; return what was refused."""
    given: dict[str, object] = {
        "weather": Weather(loss=0.02, delay=0.003), "rate": 4_000_000, **options,
    }  # fmt: skip
    net = HostileNet(FILES, ["fra"], seed=4, **given)  # type: ignore[arg-type]
    net.inject = inject
    net.run()
    assert net.sender.results()[0].standing is Standing.COMPLETE
    assert net.sinks["fra"].placed == FILES
    return net.receivers["fra"].counters.refused


# ----- paths


@pytest.mark.parametrize(
    "path",
    [
        "../x", "a/../../x", "/etc/passwd", "//x", "a//b", ".", "..", "a/.", "", "a/", "C:x",
        "c:/x",
        "a\\..\\x", "\\\\host\\share", "a\0b", "a\nb", "a\x1b[2Jb", "x" * 256,
        "/".join(["d"] * 600), "\ud800", "a\u202eb",
    ],
)  # fmt: skip
def test_a_path_that_leads_elsewhere_is_refused_though_it_is_signed(path: str) -> None:
    assert path_problem(path)
    document = json.loads(Manifest(name="m", coding=CODING, files=()).encode())
    document["files"] = [{"path": path, "root": "00" * 32, "size": 1}]

    class Forged(Manifest):
        def encode(self, serial: int = 0, order: Sequence[Stretch] = ()) -> bytes:
            return json.dumps(document).encode()

    envelope = seal(Forged(name="m", coding=CODING, files=()), KEY)
    with pytest.raises(WireError, match="manifest: "):
        open_manifest(envelope, None)


def test_links_in_target_and_staging_lead_nowhere(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    source = MemorySource({"d/w.bin": b"x" * 700}, CODING)
    envelope = seal(source.manifest, KEY)
    opened = open_manifest(envelope, None)
    target = tmp_path / "t"
    target.mkdir()
    (target / "d").symlink_to(outside)
    sink = FolderSink(target, durable=False)
    with pytest.raises(DeliveryError, match=r"leads out of .* through a symbolic link"):
        sink.open(envelope, opened)
    sink.close()
    (target / "d").unlink()
    for trap in ("files", "digests", "blocks", "files/d", "files/d/w.bin"):
        sink = FolderSink(target, durable=False)
        sink.prepare()
        place = sink.staging / trap
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(outside / "stolen" if trap.endswith("bin") else outside)
        sink.open(envelope, opened)
        part = source.manifest.cut(700)
        sink.put_digests(0, source.digests[0])
        for block in range(part.blocks):
            data = memoryview(source.read_block(0, block))
            sink.write(0, block, part.offset(block), data)
        assert list(outside.rglob("*")) == [], trap
        sink.place()
        assert (target / "d" / "w.bin").read_bytes() == b"x" * 700
        assert not (target / "d").is_symlink()
        assert list(outside.rglob("*")) == [], trap
        (target / "d" / "w.bin").unlink()
        (target / "d").rmdir()


# ----- sizes


def boot_packet(toi: int, fti: wire.Fti, payload: bytes, instance: int | None = 1) -> bytes:
    first = () if instance is None else (wire.fdt_extension(instance),)
    header = wire.Header(tsi=7, toi=toi, extensions=(*first, fti.extension()))
    return header.encode() + wire.encode_payload_id(129, 0, 1, 0) + payload


@pytest.mark.parametrize("toi", [0, 1])
@pytest.mark.parametrize(
    ("length", "symbol", "block"),
    [(2**48 - 1, 44, 8), (2**48 - 1, 65535, 65535), (2**33, 1, 1), (100, 0, 8), (100, 44, 0),
     (0, 44, 8), (65 * 2**20, 44, 8)],
)  # fmt: skip
def test_absurd_sizes_of_what_nobody_signed(toi: int, length: int, symbol: int, block: int) -> None:
    fti = wire.Fti(fec_id=129, transfer_length=length, symbol=symbol, block=block, max_n=255)
    forged = boot_packet(toi, fti, bytes(44), 1 if toi == 0 else None)
    rare = iter(range(10**6))
    refused = survives(lambda _: [forged] if next(rare) % 40 == 20 else [])
    assert refused["excess"] > 5


@pytest.mark.parametrize(
    "files",
    [
        [("w", 2**47)], [("w", 2**63)], [("w", MAX_BLOCKS * 512 + 1)],
        [(f"w{i}", MAX_BLOCKS * 256) for i in range(3)],
    ],
)  # fmt: skip
def test_absurd_sizes_in_a_manifest(files: list[tuple[str, int]]) -> None:
    with pytest.raises(ValueError, match=r"2\^47|blocks, of"):
        Manifest(
            name="m", coding=CODING,
            files=tuple(FileEntry(path=p, size=s, root=bytes(32)) for p, s in files),
        )  # fmt: skip
    with pytest.raises(ValueError, match="without parity"):
        Manifest(
            name="m", coding=Coding(symbol=64, block=8, parity=0),
            files=(FileEntry(path="w", size=512 * 65537, root=bytes(32)),),
        )  # fmt: skip


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><x>&b;</x>'


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (b'<?xml version="1.0"?>' + BOMB, "document type"),
        (("\ufeff" + BOMB.decode()).encode("utf-16-le"), "not in UTF-8"),
        (BOMB.decode().encode("utf-16"), "not in UTF-8"),
        (b"<a>" + b"<b/>" * (MAX_ELEMENTS + 1) + b"</a>", "elements"),
        (b"<a>" * 100_000, "well formed"),
    ],
)
def test_an_fdt_that_explodes_is_refused_before_it_does(document: bytes, says: str) -> None:
    with pytest.raises(WireError, match=says):
        parse_fdt(document)


def test_an_envelope_that_explodes_is_refused_before_it_does() -> None:
    inner = base64.b64encode(b"{}").decode()
    many = [{"keyid": "00", "sig": ""}] * MAX_PARTS
    for document in (
        b"[" * 200_000, b"{" * 200_000, b'{"a":' * 200_000,
        json.dumps({"payload": inner, "payloadType": PAYLOAD_TYPE, "signatures": many}).encode(),
    ):  # fmt: skip
        with pytest.raises(WireError, match="more parts"):
            open_manifest(document, None)
    # And one that is signed, with a payload nested too deeply.
    deep = b'{"files":' + b"[" * 200_000

    class Forged(Manifest):
        def encode(self, serial: int = 0, order: Sequence[Stretch] = ()) -> bytes:
            return deep

    with pytest.raises(WireError, match="not well formed"):
        open_manifest(seal(Forged(name="m", coding=CODING, files=()), KEY), TRUSTED)


def test_data_that_does_not_fit_its_object() -> None:
    chance = random.Random(5)

    def inject(datagram: bytes) -> list[bytes]:
        if chance.random() > 0.2:
            return []
        fixed = wire.FIXED.pack
        return [
            fixed(wire.DATA_WORD, 0, 7, 3, 2**32 - 1, 8, 0) + bytes(64),
            fixed(wire.DATA_WORD, 0, 7, 3, 0, 9, 0) + bytes(64),
            fixed(wire.DATA_WORD, 0, 7, 3, 0, 8, 65535) + bytes(64),
            fixed(wire.DATA_WORD, 0, 7, 3, 39, 8, 0) + bytes(63),
            fixed(wire.DATA_WORD, 0, 7, 3, 39, 8, 0) + bytes(65),
            fixed(wire.DATA_WORD, 0, 7, 99, 0, 8, 0) + bytes(64),
            fixed(wire.DATA_WORD, 0, 8, 3, 0, 8, 0) + bytes(64),
            wire.Header(
                tsi=7, toi=3,
                extensions=(wire.Poll(poll_id=1, first=0, count=2**32 - 1).extension(),),
            ).encode(),
        ]  # fmt: skip

    refused = survives(inject)
    for kind in ("misfit", "unknown-object", "other-session", "excess"):
        assert refused[kind] > 20, kind


# ----- forged ends, and what is said in somebody's name


def test_forged_close_flags_end_nothing() -> None:
    close = wire.Header(tsi=7, toi=1, close_session=True).encode()
    chance = random.Random(3)
    refused = survives(lambda _: [close] if chance.random() < 0.05 else [], rate=60_000)
    assert refused.get("false-end", 0) > 0


def test_a_forged_end_while_the_sender_waits_for_others_ends_nothing() -> None:
    net = Net(FILES, ["fra", "lon"], gather=6.0, absent=["lon"], timeout=30.0)
    close = wire.Header(tsi=7, toi=1, close_session=True).encode()
    net.at(1.0, lambda: net._arrive("fra", close))
    net.at(5.0, lambda: net.start("lon"))
    net.run()
    assert [r.standing for r in net.sender.results()] == [Standing.COMPLETE] * 2
    assert net.receivers["fra"].counters.refused["false-end"] == 1


def test_messages_of_an_old_start_change_nothing_and_are_counted() -> None:
    net = Net(FILES, ["fra"], rate=400_000)
    net.at(0.05, lambda: net.kill("fra"))
    net.at(0.06, lambda: net.start("fra"))
    answers: list[events.SenderOutput] = []
    manifest = digest(net.source.manifest.encode())
    receipt = Receipt(
        receiver="fra", manifest=manifest, files=2, bytes=1, repaired=0, duplicates=0, polluted=0,
        first_byte=0, last_byte=0, verified=0,
    )  # fmt: skip

    def forge() -> None:
        for body in (
            Join(), Fail(reason="gone"), Done(receipt=receipt),
            Have(manifest=manifest, total=4, first=0, states=b"\1\1\1\1"),
            Report(poll_id=1, toi=3, first=0, lacks=b"\0" * 40),
        ):  # fmt: skip
            message = Message(tsi=7, incarnation=1, name="fra", body=body).encode()
            answers.extend(net.sender.receive("fra", message, net.now))

    for when in (0.2, 0.25, 0.3):
        net.at(when, forge)
    net.run()
    kinds = [a.kind for a in answers if isinstance(a, events.Ignored)]
    assert kinds == ["stale"] * 15
    assert net.sender.results()[0].complete
    assert net.sinks["fra"].placed == FILES


def test_a_whole_recorded_session_against_a_new_one() -> None:
    recorded_data: list[bytes] = []
    recorded_control: list[bytes] = []
    old = HostileNet({"a.bin": b"old" * 3000}, ["fra"], seed=1)
    old.inject = lambda d: recorded_data.append(d) or []  # type: ignore[func-returns-value]
    receive = old.sender.receive
    old.sender.receive = lambda n, m, t: recorded_control.append(m) or receive(n, m, t)  # type: ignore[method-assign, func-returns-value]
    old.run()
    assert len(recorded_data) > 100

    # The new session has another TSI and, as every one has, a later serial.
    net = HostileNet(FILES, ["fra"], seed=2, rate=4_000_000)
    session = replace(net.sender.session, tsi=8, serial=2)
    net.sender = Sender(session, net.source, net.names)
    again = iter(recorded_data)
    net.inject = lambda _: [d for d in [next(again, None)] if d]
    refused: list[str] = []
    for number, message in enumerate(recorded_control):
        net.at(
            0.02 + number / 100,
            lambda m=message: refused.extend(
                o.kind for o in net.sender.receive("fra", m, net.now)
                if isinstance(o, events.Ignored)
            ),
        )  # fmt: skip
    net._starts = 10  # The receiver has been started since.
    pins = Pins(serials={"model": 1})

    def admit(opened: OpenedManifest) -> None:
        if reason := pins.too_old(opened, "pins"):
            raise ReplayError(reason)

    net.admit = admit
    net.run()
    assert net.sender.results()[0].complete
    assert net.sinks["fra"].placed == FILES
    assert net.receivers["fra"].counters.refused["other-session"] > 50
    assert refused.count("other-session") + refused.count("stale") > len(recorded_control) // 2


# ----- over real sockets


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@contextmanager
def shooting(*shots: tuple[bytes, int]) -> Iterator[None]:
    """Send each datagram to its port on loopback again and again meanwhile."""
    over = threading.Event()

    def shoot() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            while not over.wait(0.002):
                for data, port in shots:
                    sock.sendto(data, ("127.0.0.1", port))

    thread = threading.Thread(target=shoot)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(10)
        assert not thread.is_alive()


def documents(text: str) -> list[dict[str, object]]:
    decoder, at, found = json.JSONDecoder(), 0, []
    while (at := text.find("{\n", at)) >= 0:
        document, at = decoder.raw_decode(text, at)
        found.append(document)
    return found


def test_foreign_sources_at_both_ends(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    close = wire.Header(tsi=7, toi=1, close_session=True).encode()
    data = wire.FIXED.pack(wire.DATA_WORD, 0, 7, 3, 0, 8, 0) + bytes(1376)
    fail = Message(tsi=0, incarnation=2**31, name="fra", body=Fail(reason="forged")).encode()
    stranger = Message(tsi=0, incarnation=1, name="mad", body=Join()).encode()
    with shooting(
        (close, site.ports[0]), (data, site.ports[0]), (b"", site.ports[0]),
        (fail, site.control), (stranger, site.control), (b"LS", site.control),
    ):  # fmt: skip
        time.sleep(0.05)
        with site.receiving("fra", 0, "-o", "json"):
            code = main(
                site.send_command(*site.to("fra"), "-o", "json", "--rate", "4M", "--gather", "0")
            )
    out, err = capsys.readouterr()
    assert (code, site.codes) == (0, {"fra": 0}), err
    assert site.placed("fra") == SITE_FILES
    sent, received = sorted(documents(out), key=lambda d: "placed" in d)
    for kind in ("foreign-source", "stranger", "malformed"):
        assert sent["refused"][kind] > 0, sent  # type: ignore[index]
    assert received["refused"]["foreign-source"] > 10  # type: ignore[index]
    assert "did not come from --sender and were dropped, the last from 127.0.0.1:" in err


# ----- anything at all


headers = st.builds(
    lambda tsi, toi, cp, close, exts: wire.Header(
        tsi=tsi, toi=toi, codepoint=cp, close_session=close, extensions=tuple(exts)
    ).encode(),
    st.sampled_from([7, 8, 0, 2**48 - 1]), st.sampled_from([0, 1, 2, 3, 4, 5, 6, 2**100]),
    st.sampled_from([0, 129, 5, 255]), st.booleans(),
    st.lists(
        st.one_of(
            st.builds(
                lambda *a: wire.Poll(poll_id=a[0], first=a[1], count=a[2]).extension(),
                *[st.sampled_from([0, 1, 2, 1024, 1025, 2**32 - 1])] * 3,
            ),
            st.builds(
                lambda *a: wire.Fti(
                    fec_id=129, transfer_length=a[0], symbol=a[1], block=a[2], max_n=a[3]
                ).extension(),
                st.sampled_from([0, 1, 44, 100_000, 2**26, 2**48 - 1]),
                st.sampled_from([0, 1, 44, 64, 65535]), st.sampled_from([0, 1, 8, 255, 65535]),
                st.sampled_from([0, 40, 255]),
            ),
            st.integers(0, 2**20 - 1).map(wire.fdt_extension),
            st.binary(min_size=3, max_size=3).map(lambda b: wire.Extension(200, b)),
            st.binary(min_size=14, max_size=14).map(lambda b: wire.Extension(64, b)),
        ),
        max_size=3,
    ),
)  # fmt: skip
identities = st.builds(
    lambda sbn, sbl, esi: wire.encode_payload_id(129, sbn, sbl, esi),
    st.sampled_from([0, 1, 39, 2**32 - 1]), st.sampled_from([0, 1, 7, 8, 65535]),
    st.sampled_from([0, 7, 8, 40, 254, 255, 65535]),
)  # fmt: skip
hostile = st.builds(
    lambda h, i, size: h + i + bytes(size),
    headers, st.one_of(identities, st.just(b""), st.binary(max_size=9)),
    st.sampled_from([0, 1, 43, 44, 45, 63, 64, 65, 1400]),
)  # fmt: skip


@given(st.lists(hostile, max_size=12), st.integers(0, 40))
def test_a_receiver_neither_raises_nor_swells(datagrams: list[bytes], progress: int) -> None:
    sender = Sender(
        Session(name="m", tsi=7, key=KEY, gather=0.0), MemorySource(FILES, CODING), ["fra"]
    )
    engine = Receiver(
        "fra", MemorySink(FILES), trusted=TRUSTED, incarnation=1, chance=lambda: 0.5, memory=MEMORY
    )
    outputs = engine.expire(0.0)
    for step in range(progress):
        for output in outputs:
            if isinstance(output, events.Feedback):
                sender.receive("fra", output.message, step / 100)
        outputs = [o for p in sender.poll(step / 100, 8) for o in
                   engine.receive(p.header + p.payload, step / 100)]  # fmt: skip
    for datagram in datagrams:
        engine.receive(datagram, progress / 100)
        assert held(engine) <= MEMORY + 2 * (64 + 16) * 2**20
    engine.expire(progress / 100 + 0.1)
    assert len(engine.counters.ignored) <= 64


messages = st.builds(
    lambda tsi, start, name, body: Message(tsi=tsi, incarnation=start, name=name, body=body),
    st.sampled_from([0, 7, 8]), st.sampled_from([0, 1, 2, 2**31, 2**32 - 1]),
    st.sampled_from(["fra", "lon", "mad"]),
    st.one_of(
        st.builds(Join), st.builds(Fail, reason=st.text(max_size=20)),
        st.builds(
            lambda m, total, first, s: Have(manifest=m, total=total, first=first, states=s),
            st.sampled_from([bytes(32), digest(MemorySource(FILES, CODING).manifest.encode())]),
            st.sampled_from([4, 2000, 2**32 - 1]), st.sampled_from([0, 1]),
            st.lists(st.integers(0, 2), max_size=3).map(bytes),
        ),
        st.builds(
            lambda p, toi, first, lacks, room: Report(
                poll_id=p, toi=toi, first=first, lacks=lacks, room=room
            ),
            st.integers(0, 20), st.sampled_from([0, 1, 2, 3, 99, 2**32 - 1]),
            st.sampled_from([0, 1, 2**32 - 1]), st.binary(max_size=45),
            st.sampled_from([0, 1, 2**32 - 1]),
        ),
    ),
)  # fmt: skip


@given(st.lists(st.tuples(messages, st.integers(0, 3)), max_size=15))
def test_a_sender_does_not_raise_and_ends(steps: list[tuple[Message, int]]) -> None:
    sender = Sender(
        Session(name="m", tsi=7, key=KEY, gather=0.0, timeout=1.0),
        MemorySource(FILES, CODING), ["fra", "lon"],
    )  # fmt: skip
    now = 0.0
    for message, pause in steps:
        sender.poll(now, 20)
        sender.receive(message.name, message.encode(), now)
        now += pause / 20
    for _ in range(400):
        sender.poll(now, 20)
        now += 0.05
    assert sender.finished or sender.deadline is not None
    assert not any(r.complete for r in sender.results())
