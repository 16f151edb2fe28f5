"""A new version travels as the blocks that changed, to those that have the old one."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from net import KEY, MemorySource, Net, Weather

from toolkit.delivery.basis import FolderBasis, Version, keep_digests
from toolkit.delivery.fec import Partition
from toolkit.delivery.manifest import seal
from toolkit.delivery.model import Coding

CODING = Coding(symbol=64, block=8, parity=32)
BLOCK = 64 * 8


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def store(folder: Path, files: dict[str, bytes], coding: Coding = CODING) -> Version:
    """Lay a version down as a sink leaves it, with its digests."""
    source = MemorySource(files, coding)
    staging = folder / "staging"
    (staging / "digests").mkdir(parents=True)
    for number, digests in enumerate(source.digests):
        (staging / "digests" / str(number)).write_bytes(digests)
    (staging / "manifest.json").write_bytes(seal(source.manifest, KEY))
    keep_digests(staging, folder / "kept")
    for path, content in files.items():
        (folder / "files" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "files" / path).write_bytes(content)
    return Version(folder / "files", folder / "kept")


def changed_bytes(old: bytes, new: bytes) -> int:
    part = Partition(len(new), CODING.symbol, CODING.block)
    return sum(
        part.size(b)
        for b in range(part.blocks)
        if old[part.offset(b) :][: part.size(b)] != new[part.offset(b) :][: part.size(b)]
    )


def sent(net: Net) -> int:
    """Bytes of files in the packets that were sent."""
    return sum(n for toi, n in net.payload.items() if toi > 2 and toi % 2)


def assert_delivered(net: Net, names: list[str]) -> None:
    for name in names:
        assert net.sinks[name].placed == net.files
    assert [r.complete for r in net.sender.results()] == [True] * len(net.names)


OLD = {"config.json": b'{"a": 1}', "model.bin": noise(1, 200 * BLOCK)}


def edited() -> dict[str, bytes]:
    content = bytearray(OLD["model.bin"])
    for block in (3, 77, 150):
        content[block * BLOCK + 5] ^= 1
    return {"config.json": b'{"a": 2}', "model.bin": bytes(content)}


@pytest.mark.parametrize("loss", [0.0, 0.03])
def test_only_changed_blocks_are_sent(tmp_path: Path, loss: float) -> None:
    new = edited()
    version = store(tmp_path, OLD)
    net = Net(new, ["a", "b", "c"], seed=3, coding=CODING, weather=Weather(loss=loss),
              basis=lambda name: FolderBasis([version]))  # fmt: skip
    net.run()
    assert_delivered(net, ["a", "b", "c"])
    changed = sum(changed_bytes(OLD[p], new[p]) for p in new)
    assert changed == 3 * BLOCK + 8
    for receiver in net.receivers.values():
        assert receiver.counters.found == sum(map(len, new.values())) - changed
    if not loss:
        assert sent(net) == changed
        assert net.sender.tally.repairs == 0


def test_one_that_has_nothing_and_one_that_has_the_old_version_share_what_changed(
    tmp_path: Path,
) -> None:
    new = edited()
    version = store(tmp_path, OLD)
    net = Net(new, ["old", "none"], coding=CODING,
              basis=lambda name: FolderBasis([version]) if name == "old" else None)  # fmt: skip
    net.run()
    assert_delivered(net, ["old", "none"])
    assert sent(net) == sum(map(len, new.values())), "what changed went out once, for both"


def test_growth_in_one_place_moves_nothing_that_is_sent(tmp_path: Path) -> None:
    old = noise(5, 100 * BLOCK)
    inserted = old[: 40 * BLOCK + 7] + b"x" * 100 + old[40 * BLOCK + 7 :]
    shorter = old[: 40 * BLOCK + 7] + old[41 * BLOCK :]
    for number, new in enumerate((inserted, shorter, old + b"tail", b"head" + old)):
        folder = tmp_path / str(number)
        version = store(folder, {"m": old})
        net = Net({"m": new}, ["a"], coding=CODING, basis=lambda n, v=version: FolderBasis([v]))
        net.run()
        assert_delivered(net, ["a"])
        part = Partition(len(new), CODING.symbol, CODING.block)
        missing = len(new) - net.receivers["a"].counters.found
        assert missing <= 3 * part.size(0), number


def test_renamed_and_exchanged_files_are_found_by_their_digests(tmp_path: Path) -> None:
    one, two = noise(6, 30 * BLOCK), noise(7, 30 * BLOCK)
    version = store(tmp_path, {"a/one.bin": one, "two.bin": two})
    net = Net({"two.bin": one, "b/three.bin": two}, ["a"], coding=CODING,
              basis=lambda name: FolderBasis([version]))  # fmt: skip
    net.run()
    assert_delivered(net, ["a"])
    assert net.receivers["a"].counters.found == 60 * BLOCK
    assert sent(net) == 0


def test_insertions_at_several_places_are_not_found(tmp_path: Path) -> None:
    old = noise(8, 90 * BLOCK)
    new = old[: 30 * BLOCK] + b"x" + old[30 * BLOCK : 60 * BLOCK] + b"y" + old[60 * BLOCK :]
    version = store(tmp_path, {"m": old})
    net = Net({"m": new}, ["a"], coding=CODING, basis=lambda name: FolderBasis([version]))
    net.run()
    assert_delivered(net, ["a"])
    found = net.receivers["a"].counters.found
    assert 55 * BLOCK <= found <= 60 * BLOCK + 8, "the middle third lies nowhere it is looked for"


def test_what_changed_since_its_digests_were_kept_is_not_used(tmp_path: Path) -> None:
    version = store(tmp_path, OLD)
    path = version.files / "model.bin"
    spoiled = bytearray(OLD["model.bin"])
    spoiled[10 * BLOCK] ^= 1
    path.write_bytes(spoiled)
    net = Net(OLD, ["a"], coding=CODING, basis=lambda name: FolderBasis([version]))
    net.run()
    assert_delivered(net, ["a"])  # MemorySink compares every block with the truth
    assert net.payload[5] == BLOCK


def test_lists_cut_otherwise_are_no_use_and_paths_still_are(tmp_path: Path) -> None:
    version = store(tmp_path, OLD, Coding(symbol=32, block=8, parity=0))
    net = Net(edited(), ["a"], coding=CODING, basis=lambda name: FolderBasis([version]))
    net.run()
    assert_delivered(net, ["a"])
    assert net.receivers["a"].counters.found == 197 * BLOCK


def test_without_addresses_for_packets_it_works_too(tmp_path: Path) -> None:
    version = store(tmp_path, OLD)
    net = Net(edited(), ["a", "b"], coding=CODING, targeted=False,
              basis=lambda name: FolderBasis([version]))  # fmt: skip
    net.run()
    assert_delivered(net, ["a", "b"])
    assert sent(net) == 3 * BLOCK + 8


@pytest.mark.parametrize("seed", range(25))
def test_whatever_happens_versions_arrive(tmp_path: Path, seed: int) -> None:
    """Random edits, losses, kills and joins: complete, right, and little is sent to those that
    had the old version."""
    chance = random.Random(seed)
    content = bytearray(noise(seed, chance.randrange(1, 150) * BLOCK + chance.randrange(BLOCK)))
    old = {"m": bytes(content), "n": noise(seed + 1, 700)}
    for _ in range(chance.randrange(4)):
        content[chance.randrange(len(content))] ^= 1
    new = {"m": bytes(content), "o": old["n"]}
    version = store(tmp_path, old)
    names = ["a", "b", "c"]
    having = set(chance.sample(names, chance.randrange(1, 4)))
    net = Net(new, names, seed=seed, coding=CODING,
              weather=Weather(loss=chance.choice([0, 0.01, 0.1]), jitter=0.01, double=0.02,
                              corrupt=0.01),
              basis=lambda n: FolderBasis([version]) if n in having else None)  # fmt: skip
    for name in names:
        if chance.random() < 0.4:
            net.kill_and_restart(name, chance.uniform(0.01, 1.0), chance.uniform(0.1, 2.0))
    net.run()
    assert_delivered(net, names)
