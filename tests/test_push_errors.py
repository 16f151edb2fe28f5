"""What goes wrong around a push, and exactly what is said of it: exit code, table and messages.

`llmsync` is a process, routers are on SSH.  Texts are tests/push_errors/<case>.txt;
LLMSYNC_UPDATE_GOLDEN=1 rewrites them.  After each case nothing is lost: routers run what they ran,
nothing is held or pending, and once the cause is gone the same push works.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from kill_processes import Ended, Killing, killing
from kill_routers import NEW, OLD

from toolkit.netconf.faults import Trouble, parse_fault
from toolkit.netconf.flavours import Flavour
from toolkit.netconf.names import Datastore

TEXTS = Path(__file__).parent / "push_errors"
Mend = Callable[[], None]


def nothing() -> None:
    """Mend nothing."""


def rewrite(path: Path, change: Callable[[str], str]) -> Mend:
    """Change a file; return what undoes that."""
    text = path.read_text()
    assert change(text) != text, f"{path} stays as it is"
    path.write_text(change(text))
    return lambda: path.write_text(text) and None


def wrong_password(net: Killing) -> Mend:
    return rewrite(net.overlay.with_name("m.yaml.password"), lambda text: f"not-{text}")


def wrong_user(net: Killing) -> Mend:
    return rewrite(net.overlay, lambda text: text.replace("llmsync", "nobody", 1))


def no_password(net: Killing) -> Mend:
    path = net.overlay.with_name("m.yaml.password")
    text = path.read_text()
    path.unlink()
    return lambda: path.write_text(text) and None


def unreachable(net: Killing) -> Mend:
    net.farm.stop("r2")
    return lambda: net.farm.start("r2")


def no_such_host(net: Killing) -> Mend:
    return rewrite(net.overlay, lambda text: text.replace("127.0.0.1", "router.invalid", 1))


def other_host_key(net: Killing) -> Mend:
    keys = [line for line in net.overlay.read_text().splitlines() if "host_key" in line]
    return rewrite(net.overlay, lambda text: text.replace(keys[0], keys[1]))


def unknown_host_key(net: Killing) -> Mend:
    return rewrite(net.overlay, lambda text: re.sub(r" *host_key: .*\n", "", text, count=1))


def invalid_value(net: Killing) -> Mend:
    path = net.folder / str(NEW)
    one = rewrite(path / "r1.xml", lambda t: t.replace("<metric>20<", "<metric>16777216<", 1))
    two = rewrite(path / "r3.xml", lambda t: t.replace("49.0001", "49.001", 1))

    def mend() -> None:
        one()
        two()

    return mend


def unknown_revision(net: Killing) -> Mend:
    device = net.devices["r3"]
    kept = device.modules
    device.modules = tuple(
        replace(m, revision="2031-01-01") if m.name == "llmsync-isis" else m for m in kept
    )
    return lambda: setattr(device, "modules", kept)


def lock_held(net: Killing) -> Mend:
    device = net.devices["r2"]
    session = net.farm.call(device.open)
    net.farm.call(lambda: device.lock(session, Datastore.CANDIDATE))
    return lambda: net.farm.call(lambda: device.close(session, net.clock.now))


def fault(*texts: str) -> Callable[[Killing], Mend]:
    """Let faults come over r2."""

    def strike(net: Killing) -> Mend:
        device = net.devices["r2"]
        device.trouble = Trouble(map(parse_fault, texts))
        device._stores.meddled = device.trouble.dirty_candidate

        def mend() -> None:
            device.trouble = Trouble(())
            device._stores.meddled = False

        return mend

    return strike


def expired(net: Killing) -> Mend:
    """The first confirmation arrives when all time-outs are over."""
    device = net.devices["r1"]
    commit = device.commit

    def late(session: int, now: float, **parameters: object) -> None:
        if parameters["persist_id"]:
            net.clock.now += 121.0
            for other in net.devices.values():
                other.expire(net.clock.now)
        commit(session, net.clock.now, **parameters)

    device.commit = late
    return lambda: setattr(device, "commit", commit)


def flavour(*flavours: Flavour) -> Callable[[Killing], Mend]:
    def change(net: Killing) -> Mend:
        device = net.devices["r1"]
        device.flavours = frozenset(flavours)
        return lambda: setattr(device, "flavours", frozenset())

    return change


def journal_folder_is_a_file(net: Killing) -> Mend:
    net.journals.rmdir()
    net.journals.write_text("")

    def mend() -> None:
        net.journals.unlink()
        net.journals.mkdir()

    return mend


def journal_is_rubbish(net: Killing) -> Mend:
    path = net.journals / "push-x.jsonl"
    path.write_text("rubbish\n")
    return path.unlink


@dataclass(frozen=True)
class Case:
    """One thing that goes wrong."""

    code: int
    cause: Callable[[Killing], Mend] = lambda _: nothing
    words: tuple[str, ...] = ()
    """More of the command."""
    fate: dict[str, int] = field(default_factory=dict)


CASES = {
    "wrong-password": Case(4, wrong_password),
    "wrong-user": Case(4, wrong_user),
    "password-file-missing": Case(2, no_password),
    "unreachable": Case(4, unreachable),
    "no-such-host": Case(4, no_such_host),
    "other-host-key": Case(4, other_host_key),
    "unknown-host-key": Case(4, unknown_host_key),
    "invalid-value": Case(2, invalid_value),
    "unknown-revision": Case(5, unknown_revision),
    "lock-held": Case(5, lock_held),
    "lock-denied": Case(5, fault("lock-denied")),
    "dirty-candidate": Case(5, fault("dirty-candidate")),
    "session-lost": Case(5, fault("drop-after:edit-config")),
    "expired-confirm": Case(5, expired),
    "no-confirmed-commit": Case(5, flavour(Flavour.NO_CONFIRMED)),
    "confirm-timeout": Case(2, words=("--confirm-timeout", "0")),
    "journal-folder-is-a-file": Case(2, journal_folder_is_a_file),
    "journal-is-rubbish": Case(6, journal_is_rubbish),
    "disk-full-at-once": Case(2, fate={"file_limit": 1000}),
    "disk-full-later": Case(5, fate={"file_limit": 0}),
}


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killing]:
    with killing("persist", tmp_path_factory.mktemp("errors")) as made:
        yield made


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", CASES)
def test_what_is_said_and_that_nothing_is_lost(net: Killing, name: str) -> None:
    case = CASES[name]
    before = net.state()
    mend = case.cause(net)
    fate = dict(case.fate)
    if fate.get("file_limit") == 0:
        fate["file_limit"] = room_for(net, 5)
    try:
        ended = net.controllers.run(*net.pushing(NEW, *case.words), **fate)
        said = f"exit code {ended.code}\n{masked(net, ended)}"
        assert "Traceback" not in said
        assert net.runs() == {OLD}
        net.settle(besides=1 if name == "lock-held" else 0)
    finally:
        mend()
    path = TEXTS / f"{name}.txt"
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        path.write_text(said, encoding="utf-8")
    try:
        assert ended.code == case.code, said
        assert said == path.read_text(encoding="utf-8")
        net.expire()
        assert net.runs() == {OLD}
        net.at_rest()
        assert net.command("status").code == 0
        again = net.push(NEW)
        assert (again.code, net.runs()) == (0, {NEW}), again
    finally:
        net.forget()
        before()


def test_every_text_belongs_to_a_case() -> None:
    assert {path.stem for path in TEXTS.iterdir()} == set(CASES)


def room_for(net: Killing, lines: int) -> int:
    """Return the bytes of a journal's first line and so many more, which are shorter than 64."""
    before = net.state()
    assert net.push(NEW).code == 0
    header = len(net.lines()[0]) + 1
    net.forget()
    before()
    return header + lines * 50


def masked(net: Killing, ended: Ended) -> str:
    """Return what was printed without what differs from run to run."""
    text = ended.out + ("-- standard error\n" + ended.err if ended.err else "")
    text = text.replace(str(net.folder), "FOLDER")
    text = re.sub(r"llmsync-[0-9a-f]{16}", "TXID", text)
    text = re.sub(r"SHA256:[\w+/]{43}", "SHA256:KEY", text)
    text = re.sub(r"port \d+", "port PORT", text)
    return re.sub(
        r"held by session \d+|session \d+ holds", lambda m: re.sub(r"\d+", "N", m[0]), text
    )
