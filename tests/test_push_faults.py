"""Every request of a push, and everything that can go wrong with it.

The requests are those that a push sends, watched in one that goes well.  Where each kind of fault
is struck:

    kind             here                                        elsewhere
    drop-before      each request, each way to take a change     test_netconf_faults, over SSH
    drop-after       each request, each way to take a change     test_netconf_faults, over SSH
    gone             each request; back in time, late or never   test_netconf_faults (confirm)
    slow             each request, in time; too late for some
    huge-reply       each request, NETCONF 1.0 and 1.1
    split-delimiter  each request, NETCONF 1.0 and 1.1           test_netconf_faults (1.1)
    lock-denied, dirty-candidate, other-host-key                 test_push_errors, to the letter
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kill_memory import KillNet, wireless
from kill_routers import NEW, NEXT, OLD, WAYS, Routers, make_devices, payloads
from netconf_farm import Clock, Network

from toolkit.errors import ExitCode
from toolkit.netconf.device import DeviceFarm
from toolkit.netconf.faults import FaultKind, Trouble, parse_fault
from toolkit.netconf.journal import Standing, read_journal
from toolkit.netconf.names import BASE_1_1
from toolkit.netconf.push import PushState, push

VICTIM = "r2"
ENDING = ("drop-before", "drop-after", "gone")


def clear(net: Routers) -> None:
    """Let no fault strike any more, and let those come back who are gone."""
    for device in net.devices.values():
        device.trouble, device.unreachable = Trouble(()), False


def requests(net: KillNet, folder) -> list[str]:
    """Return the requests that a router gets in a push that goes well, as faults name them."""
    found: list[str] = []
    device = net.devices[VICTIM]

    class Watching(Trouble):
        def strikes(self, labels):
            names = tuple(labels)
            name = names[-1]  # a commit's other name says more
            before = sum(n.rpartition("#")[0] == name for n in found)
            found.append(f"{name}#{before + 1}")
            return {}

    device.trouble = Watching(())
    assert net.push(NEW, folder).state is PushState.COMMITTED
    clear(net)
    return found


@pytest.mark.parametrize("kind", ENDING)
@pytest.mark.parametrize("way", WAYS)
def test_a_session_that_breaks_at_any_request(tmp_path, way, kind):
    """All new or all old at the end, and the report says which; in doubt, a recovery ends it."""
    net = KillNet(way)
    begin = net.state()
    with wireless(net):
        asked = requests(net, tmp_path)
        assert len(asked) >= 8
        ends = set()
        for number, request in enumerate(asked):
            for late in (False, True) if kind == "gone" else (False,):
                begin()
                for path in tmp_path.iterdir():
                    path.unlink()
                where = f"{way}: {kind}:{request}, {late=}"
                net.devices[VICTIM].trouble = Trouble([parse_fault(f"{kind}:{request}")])
                report = net.push(NEW, tmp_path)
                ends.add(report.state)
                clear(net)
                if late:
                    net.expire()
                finish(net, report, where, resume=bool(number % 2))
                assert net.push(NEXT, tmp_path).exit_code is ExitCode.OK, where
    assert PushState.ROLLED_BACK in ends
    assert PushState.COMMITTED in ends


def finish(net: KillNet, report, where: str, *, resume: bool) -> None:
    """Check what a report promises; recover where it promises nothing."""
    assert net.runs() <= {OLD, NEW}, where
    if report.journal is not None:  # somebody is gone, or may be
        again = net.recover(report.journal, resume=resume)
        assert again.exit_code is ExitCode.OK, (where, again.outcomes)
        net.expire()
        assert net.runs() == {NEW if resume else OLD}, where
        standing = read_journal(report.journal).standing
        assert standing is (Standing.NEW if resume else Standing.OLD), where
    else:
        new = report.state in (PushState.COMMITTED, PushState.UNCHANGED)
        assert new or report.exit_code in (ExitCode.ROLLED_BACK, ExitCode.UNREACHABLE), where
        net.expire()
        assert net.runs() == {NEW if new else OLD}, (where, report)
    net.at_rest()


@pytest.mark.parametrize("resume", [True, False])
def test_a_router_that_never_comes_back_stays_in_doubt_and_the_others_are_whole(tmp_path, resume):
    net = KillNet("persist")
    begin = net.state()
    with wireless(net):
        asked = requests(net, tmp_path)
        for request in asked[asked.index("confirmed-commit#1") : asked.index("copy-config#1")]:
            begin()
            for path in tmp_path.iterdir():
                path.unlink()
            net.devices[VICTIM].trouble = Trouble([parse_fault(f"gone:{request}")])
            report = net.push(NEW, tmp_path)
            assert report.journal is not None, request
            net.expire()
            still = net.recover(report.journal, resume=resume)
            expected = ExitCode.UNREACHABLE if resume else ExitCode.IN_DOUBT
            assert still.exit_code is expected, (request, still)
            assert [o.device for o in still.outcomes if o.error] == [VICTIM], request
            assert read_journal(report.journal).standing is Standing.DOUBT, request
            assert net.runs() <= {OLD, NEW}, request
            clear(net)
            assert net.recover(report.journal, resume=resume).exit_code is ExitCode.OK, request
            net.expire()
            assert net.runs() == {NEW if resume else OLD}, request
            net.at_rest()


# ----- over SSH


class Wired(Routers, Network):
    """The same routers on SSH."""

    @property
    def devices(self):
        return self.farm.devices

    def change(self, metric: int, **options):
        return push(self.targets(), payloads(metric), **{"timeout": 20.0, **options})


@pytest.fixture
def wired(request) -> Iterator[Wired]:
    clock = Clock()
    with DeviceFarm(make_devices(request.param, *()), clock=clock) as farm:
        yield Wired(farm, clock)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("wired", ["persist", "base-1.0"], indirect=True)
@pytest.mark.parametrize("fault", ["huge-reply=10.5", "split-delimiter=0", "slow=0"])
def test_every_answer_is_awkward(wired, fault):
    """All of a router's answers are more than 10 MB, or cut inside the mark that ends them."""
    struck = []
    trouble = Trouble([parse_fault(fault)])

    class Counting:
        dirty_candidate = other_host_key = False

        def strikes(self, labels):
            names = tuple(labels)
            struck.append(names[-1])
            return trouble.strikes(names)

    device = wired.devices[VICTIM]
    device.trouble = Counting()
    report = wired.change(NEW)
    assert report.state is PushState.COMMITTED, report.outcomes
    assert wired.runs() == {NEW}
    assert {"lock", "edit-config", "validate", "confirmed-commit", "confirm", "copy-config"} <= set(
        struck
    )
    chunked = any(uri == BASE_1_1 for uri in _capabilities(device))
    assert chunked == (not device.flavours)


def _capabilities(device) -> list[str]:
    from toolkit.netconf import messages
    from toolkit.netconf.session import ServerSession
    from toolkit.netconf.tree import parse_xml

    session = ServerSession(device)
    hello = messages.parse_hello(parse_xml(session.greeting()[: -len("]]>]]>")]))
    session.lost(0.0)
    return list(hello.capabilities)


@pytest.mark.parametrize("wired", ["persist"], indirect=True)
@pytest.mark.parametrize(
    ("operation", "state"),
    [
        ("lock", PushState.ROLLED_BACK), ("validate", PushState.ROLLED_BACK),
        ("confirmed-commit", PushState.ROLLED_BACK), ("confirm#1", PushState.COMMITTED),
    ],
)  # fmt: skip
def test_an_answer_that_comes_too_late_is_as_none(wired, operation, state):
    """The clock of the routers stands still, so the answer never comes."""
    device = wired.devices[VICTIM]
    name, _, nth = operation.partition("#")
    device.trouble = Trouble([parse_fault(f"slow:{name}{'#' + nth if nth else ''}=60")])
    report = wired.change(NEW, timeout=4.0)
    assert report.state is state, report.outcomes
    assert wired.runs() == {NEW if state is PushState.COMMITTED else OLD}


def test_every_kind_of_fault_is_struck_somewhere() -> None:
    said = __doc__ or ""
    assert {kind for kind in FaultKind if kind.value not in said} == set()
