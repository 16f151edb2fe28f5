"""Sealed sessions: how objects are cut, what is on the wire, who can read it, what is refused."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from net import KEY, MemorySource, Net, Weather

from toolkit.delivery import events, sealing, wire
from toolkit.delivery.fdt import parse_fdt
from toolkit.delivery.manifest import Manifest, digest, open_manifest, seal
from toolkit.delivery.model import Coding, FileEntry, Session, Standing
from toolkit.delivery.outline import session_objects, travelling
from toolkit.delivery.sealing import TAG, BlockSeal, Opener, SealError, cut, seal_manifest
from toolkit.delivery.sender import Sender
from toolkit.delivery.sink import FolderSink
from toolkit.delivery.source import open_source
from toolkit.errors import DeliveryError, WireError

SECRET = bytes(range(16))
OTHER = bytes(16)
CODING = Coding(symbol=64, block=8, parity=32)
FILES = {
    "secret-name/config.json": b'{"architectures": ["LlamaForCausalLM"]}' * 20,
    "secret-name/empty": b"",
    "secret-name/weights.bin": random.Random(1).randbytes(9000),
}


# ----- the cut


@given(
    st.integers(0, 200_000), st.integers(32, 200), st.integers(3, 200)
)  # what Coding allows in a sealed session
@example(0, 32, 3)
@example(1, 32, 3)
@example(3 * 32 - 16, 32, 3)  # fills its one block
@example(3 * 32 - 15, 32, 3)  # the tag needs a second block
@example(6 * 32 - 32, 32, 3)
@example(6 * 32 - 31, 32, 3)
@example(4 * 32 - 32 + 1, 32, 3)  # two blocks of two symbols, the last of them one byte long
@example(2**48 - 2**30, 8776, 128)
def test_a_cut_covers_every_byte_once_and_leaves_room_for_every_tag(
    length: int, symbol: int, block: int
) -> None:
    found = cut(length, symbol, block, sealed=True)
    part = found.wire
    assert part.length == length + TAG * part.blocks
    assert found.blocks == part.blocks
    assert (part.blocks == 0) == (length == 0)
    # A smaller number of blocks would not do.
    if part.blocks:
        fewer = part.blocks - 1
        assert part.symbols > 0
        assert cut_blocks(length + TAG * fewer, symbol, block) > fewer
    wanted = {0, 1, part.blocks // 2, part.blocks - 2, part.blocks - 1}
    for sbn in sorted(n for n in wanted if 0 <= n < part.blocks):
        assert found.size(sbn) == part.size(sbn) - TAG > 0
        after = found.offset(sbn) + found.size(sbn)
        assert after == (length if sbn == part.blocks - 1 else found.offset(sbn + 1))
    if part.blocks:
        assert found.offset(0) == 0


def cut_blocks(length: int, symbol: int, block: int) -> int:
    symbols = -(-length // symbol)
    return -(-symbols // block)


@given(st.integers(0, 5000), st.integers(32, 70), st.integers(1, 9))
def test_what_is_not_sealed_is_cut_as_ever(length: int, symbol: int, block: int) -> None:
    found = cut(length, symbol, block, sealed=False)
    for sbn in range(found.blocks):
        assert found.offset(sbn) == found.wire.offset(sbn)
        assert found.size(sbn) == found.wire.size(sbn)


def test_blocks_too_small_for_a_tag_are_refused() -> None:
    with pytest.raises(ValueError, match="needs 3 or more"):
        cut(1, 32, 2, sealed=True)
    with pytest.raises(ValueError, match="needs 3 or more"):
        Manifest(name="m", coding=Coding(symbol=64, block=2, parity=1), files=(ENTRY,), sealed=True)


ENTRY = FileEntry(path="x", size=1, root=bytes(32))


# ----- blocks and manifest


def test_a_block_opens_only_where_it_belongs() -> None:
    manifest = bytes(32)
    sealed = BlockSeal(SECRET, 7, manifest).seal(3, 5, b"weights")
    assert b"weights" not in sealed
    assert len(sealed) == len(b"weights") + TAG
    assert BlockSeal(SECRET, 7, manifest).open(3, 5, sealed) == b"weights"
    for key, tsi, digested, toi, sbn in (
        (OTHER, 7, manifest, 3, 5), (SECRET, 8, manifest, 3, 5), (SECRET, 7, b"\1" * 32, 3, 5),
        (SECRET, 7, manifest, 4, 5), (SECRET, 7, manifest, 3, 6),
    ):  # fmt: skip
        assert BlockSeal(key, tsi, digested).open(toi, sbn, sealed) is None
    for at in range(len(sealed)):
        spoiled = bytearray(sealed)
        spoiled[at] ^= 1
        assert BlockSeal(SECRET, 7, manifest).open(3, 5, spoiled) is None
    assert BlockSeal(SECRET, 7, manifest).open(3, 5, b"short") is None


def test_one_nonce_never_meets_two_plaintexts(monkeypatch: pytest.MonkeyPatch) -> None:
    # One secret for many sessions, as a file of --seal-key is: sessions that are started again,
    # and others with the same TSI and other content.
    used: dict[tuple[bytes, bytes], bytes] = {}

    class Recorded:
        def __init__(self, key: bytes) -> None:
            self.key = key
            self.cipher = sealing_aesgcm(key)

        def encrypt(self, nonce: bytes, data: bytes, context: bytes) -> bytes:
            assert used.setdefault((self.key, nonce), bytes(data)) == bytes(data)
            return self.cipher.encrypt(nonce, data, context)

    sealing_aesgcm = sealing.AESGCM
    monkeypatch.setattr(sealing, "AESGCM", Recorded)
    changed = {path: content[::-1] for path, content in FILES.items()}
    for files, tsi in ((FILES, 7), (changed, 7), (FILES, 8), (FILES, 7)):
        source = MemorySource(files, CODING, sealed=True)
        sender = Sender(session(tsi=tsi), source, ["fra"])
        for toi in range(2, 2 + 2 * len(files)):
            sender._ledger.want_all(toi, 0)
            while (segment := sender._ledger.first(toi, 1)) is not None:
                for sbn in range(segment.count):
                    sender._dispatch.main._read(segment, segment.first + sbn)
                sender._ledger.settle(segment, 0)
    assert len(used) > 3 * (9000 // 512)


def test_a_manifest_opens_for_its_key_alone() -> None:
    envelope = seal(MemorySource(FILES, CODING, sealed=True).manifest, KEY)
    sealed = seal_manifest(SECRET, 7, envelope)
    assert b"secret-name" not in sealed
    assert Opener(SECRET, lambda: 7).envelope(sealed) == envelope
    for opener in (Opener(OTHER, lambda: 7), Opener(SECRET, lambda: 8)):
        with pytest.raises(SealError, match="not the one of this delivery"):
            opener.envelope(sealed)
    with pytest.raises(SealError, match="has no key for it"):
        Opener(None, lambda: 7).envelope(sealed)
    with pytest.raises(SealError, match="not sealed"):
        Opener(SECRET, lambda: 7).envelope(envelope)
    for length in range(len(sealed)):
        with pytest.raises(WireError):
            Opener(SECRET, lambda: 7).envelope(sealed[:length])


def test_the_serial_is_signed_and_is_not_part_of_what_is_described() -> None:
    manifest = MemorySource(FILES, CODING).manifest
    first, second = (open_manifest(seal(manifest, KEY, n), None) for n in (5, 6))
    assert (first.serial, second.serial) == (5, 6)
    assert first.digest == second.digest == digest(manifest.encode())
    forged = seal(manifest, KEY, 5).replace(b"NQ", b"Ng")
    assert open_manifest(seal(manifest, KEY), None).serial == 0
    if forged != seal(manifest, KEY, 5):
        with pytest.raises(Exception, match="manifest"):
            open_manifest(forged, None)


# ----- deliveries


def session(**options: object) -> Session:
    given: dict[str, object] = {"name": "m", "tsi": 7, "key": KEY, "seal_key": SECRET, **options}
    return Session(**given)  # type: ignore[arg-type]


def recorded(net: Net) -> list[bytes]:
    packets: list[bytes] = []
    poll = net.sender.poll

    def record(now: float, budget: int = 64) -> list[object]:
        out = poll(now, budget)
        packets.extend(p.header + p.payload for p in out)
        return list(out)

    net.sender.poll = record  # type: ignore[method-assign, assignment]
    return packets


SIZES = (0, 1, 15, 16, 17, 47, 48, 49, 63, 64, 65, 495, 496, 497, 511, 512, 513, 992, 993, 9000)


@pytest.mark.parametrize("seed", range(30))
def test_sealed_deliveries_end_right_under_loss_restarts_and_pollution(seed: int) -> None:
    chance = random.Random(seed)
    files = {f"f{i}": chance.randbytes(chance.choice(SIZES)) for i in range(4)}
    weather = Weather(
        loss=chance.choice([0, 0.05, 0.2]), delay=0.005,
        jitter=chance.choice([0, 0.01]), corrupt=chance.choice([0, 0.02]),
    )  # fmt: skip
    net = Net(files, ["fra", "lon"], seed=seed, weather=weather, seal_key=SECRET, rate=1_000_000)
    net.kill_and_restart("fra", chance.random() * 0.2, 0.05)
    net.run()
    assert [r.standing for r in net.sender.results()] == [Standing.COMPLETE] * 2
    assert [sink.placed for sink in net.sinks.values()] == [files, files]
    assert max(net.sinks["fra"].writes.values(), default=1) == 1


def test_nothing_readable_is_on_the_wire() -> None:
    net = Net(FILES, ["fra"], seal_key=SECRET, weather=Weather(loss=0.1), seed=2)
    packets = recorded(net)
    net.run()
    stream = b"".join(packets)
    for word in (b"secret", b"config.json", b"weights", b"Llama", b"architectures"):
        assert word not in stream
    digests = net.source.digests[2]
    assert not any(digests[at : at + 32] in stream for at in range(0, len(digests), 32))
    # And without a key, all of it is.
    plain = Net(FILES, ["fra"])
    packets = recorded(plain)
    plain.run()
    assert b"architectures" in b"".join(packets)
    assert b"secret-name" in b"".join(packets)


def test_fdt_and_fti_announce_what_travels() -> None:
    net = Net(FILES, ["fra"], seal_key=SECRET)
    objects = {
        o.toi: o
        for o in session_objects(net.sender.session, travelling(net.sender.session, net.source))
    }
    fdt = objects[0].content
    assert fdt is not None
    sizes = {f.toi: f.fti.transfer_length for f in parse_fdt(fdt).files if f.fti}
    for item in net.source.manifest.objects():
        assert sizes[item.toi] == item.cut.length + TAG * item.cut.blocks
        assert objects[item.toi].partition.length == sizes[item.toi]
    packets = recorded(net)
    net.run()
    seen = [wire.parse(p)[0] for p in packets]
    assert {h.fti().transfer_length for h in seen if h.toi == 1 and h.fti()} == {sizes[1]}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("sender_key", "receiver_key", "says"),
    [
        (SECRET, None, "the delivery is sealed and this receiver has no key for it"),
        (SECRET, OTHER, "the seal key is not the one of this delivery"),
        (None, SECRET, "the delivery is not sealed and this receiver was given a key"),
    ],
)
def test_a_key_that_does_not_fit_is_said_on_both_sides(
    sender_key: bytes | None, receiver_key: bytes | None, says: str
) -> None:
    net = Net(FILES, ["fra"], seal_key=receiver_key)
    net.source = MemorySource(FILES, net.coding, sealed=sender_key is not None)
    net.sender = Sender(session(seal_key=sender_key), net.source, ["fra"])
    net.run()
    [failed] = [o for o in net.outputs["fra"] if isinstance(o, events.Failed)]
    assert says in failed.reason
    assert "nothing was placed" in failed.reason
    assert isinstance(failed.error, DeliveryError)
    [result] = net.sender.results()
    assert result.standing is Standing.FAILED
    assert says in result.reason
    assert net.sinks["fra"].writes == {}


def test_a_wrong_key_is_noticed_also_by_a_receiver_that_has_begun() -> None:
    net = Net(FILES, ["fra"], seal_key=SECRET, rate=300_000)
    net.at(0.2, lambda: net.kill("fra"))

    def again() -> None:
        net.seal_key = OTHER
        net.start("fra")

    net.at(0.3, again)
    net.run()
    [failed] = [o for o in net.outputs["fra"] if isinstance(o, events.Failed)]
    assert "not the one of this delivery" in failed.reason
    assert net.sinks["fra"].placed is None


def test_a_source_is_cut_for_its_session() -> None:
    for sealed, key in ((True, None), (False, SECRET)):
        with pytest.raises(ValueError, match="if and only if"):
            Sender(session(seal_key=key), MemorySource(FILES, CODING, sealed=sealed), ["fra"])
    with pytest.raises(ValueError, match="16 bytes"):
        session(seal_key=b"short")


def test_files_on_disk_are_cut_alike_at_both_ends(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for number, size in enumerate(SIZES):
        (model / f"f{number:02}").write_bytes(random.Random(number).randbytes(size))
    source = open_source(model, CODING, sealed=True)
    assert source.manifest.sealed
    sink = FolderSink(tmp_path / "out", durable=False)
    envelope = seal(source.manifest, KEY)
    sink.open(envelope, open_manifest(envelope, None))
    for number, entry in enumerate(source.manifest.files):
        part = source.manifest.cut(entry.size)
        sink.put_digests(number, source.digests[number])
        for block in range(part.blocks):
            data = source.read_block(number, block)
            sink.write(number, block, part.offset(block), memoryview(data))
    landed = FolderSink(tmp_path / "out", durable=False)
    sink.close()
    assert all(all(there.blocks) for there in landed.open(envelope, open_manifest(envelope, None)))
    landed.place()
    for file in model.iterdir():
        assert (tmp_path / "out" / file.name).read_bytes() == file.read_bytes()
