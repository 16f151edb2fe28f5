"""A configuration on a real FRRouting: applied, read back, put back; others' lines survive."""

from __future__ import annotations

import pytest
from frr_routers import Router, frr_routers, needs_frr

from toolkit.errors import EnvironmentProblem, SchemaError
from toolkit.netconf.backend_frr import FrrBackend
from toolkit.netconf.frr_text import foreign, owned, parse, wanted
from toolkit.netconf.runtime_frr import Vtysh

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120), needs_frr]

FOREIGN = (
    "configure terminal",
    "ip prefix-list CUSTOMERS seq 5 permit 192.0.2.0/24",
    "route-map IN permit 10",
    "match ip address prefix-list CUSTOMERS",
    "exit",
    "router bgp 65000",
    "bgp router-id 192.0.2.1",
    "neighbor 192.0.2.2 remote-as 65001",
    "address-family ipv4 unicast",
    "neighbor 192.0.2.2 route-map IN in",
    "exit-address-family",
    "exit",
    "router isis core",
    "net 49.0002.0000.0000.0001.00",
    "exit",
    "interface e1",
    "description uplink",
    "ip router isis core",
    "exit",
    "interface e0",
    "ip ospf hello-interval 1",
    "exit",
)


def config(area: str = "0.0.0.0", *more: str) -> str:
    lines = "".join(f"{line}\n" for line in more)
    return (
        "! /x:ospf\nrouter ospf\n ospf router-id 10.255.0.1\nexit\n"
        "! /x:isis\nrouter isis llmsync\n is-type level-2-only\n"
        " net 49.0001.0000.0000.0001.00\nexit\n"
        "! /x:if[name='e0']\ninterface e0\n description llmsync: r2\n ip address 10.0.0.0/31\n"
        f" ! /x:ospf/interface[name='e0']\n ip ospf area {area}\n ip router isis llmsync\n ip pim\n"
        f"exit\n{lines}"
    )


@pytest.fixture(scope="module")
def routers():
    with frr_routers("r1") as frr:
        for device in ("e0", "e1"):
            frr["r1"].ip("link", "add", device, "type", "veth", "peer", "name", f"{device}far")
            frr["r1"].ip("link", "set", device, "up")
        yield frr


@pytest.fixture
def router(routers):
    found = routers["r1"]
    found.vtysh(*FOREIGN)
    before = parse(found.running)
    yield found
    backend(found).apply({"text": ""})
    assert foreign(parse(found.running)) == foreign(before), "others' lines are not as they were"


def backend(router: Router, frr: Vtysh | None = None) -> FrrBackend:
    return FrrBackend("r1", frr or router.frr, lambda document: document["text"])


def test_a_configuration_comes_and_goes_beside_that_of_others(router):
    others = foreign(parse(router.running))
    assert len(others) > 15
    plane = backend(router)
    plane.apply({"text": config()})
    now = parse(router.running)
    assert owned(now) == wanted(parse(config()))
    assert foreign(now) == others
    plane.apply({"text": config("0.0.0.1")})
    assert " ip ospf area 0.0.0.1\n" in router.running
    plane.apply({"text": ""})
    assert owned(parse(router.running)) == frozenset()
    assert foreign(parse(router.running)) == others


def test_nothing_is_done_where_nothing_changes(router):
    calls = []

    class Watched(Vtysh):
        def reload(self, text):
            calls.append(text)
            return super().reload(text)

    plane = backend(router, Watched(sockets=router.home, folder=router.home))
    plane.apply({"text": config()})
    plane.apply({"text": config()})
    assert len(calls) == 1


def test_everything_that_frr_cannot_read_is_named_with_its_data_path(router):
    text = config("0.0.0.0").replace("ospf router-id 10.255.0.1", "ospf router-id ten")
    text = text.replace("ip ospf area 0.0.0.0", "ip ospf area north")
    with pytest.raises(SchemaError) as caught:
        backend(router).check({"text": text})
    assert [(p.place.path, p.what) for p in caught.value.problems] == [
        (
            "/x:ospf",
            "FRR refuses line 3 of its configuration, 'ospf router-id ten': Unknown command",
        ),
        (
            "/x:ospf/interface[name='e0']",
            "FRR refuses line 15 of its configuration, 'ip ospf area north': Unknown command",
        ),
    ]
    backend(router).check({"text": config()})


def test_what_the_daemons_do_not_take_is_put_back(router):
    """The parser knows both lines; ospfd keeps an area out that another command has set."""
    plane = backend(router)
    plane.apply({"text": config()})
    before = parse(router.running)
    text = config().replace("net 49.0001.0000.0000.0001.00", "net 49.0001.0000.0000.0009.00")
    text = text.replace(
        "net 49.0001.0000.0000.0009.00",
        "net 49.0001.0000.0000.0009.00\n net 49.0003.0000.0000.0008.00",
    )  # two system-ids
    plane.check({"text": text})
    with pytest.raises(SchemaError) as caught:
        plane.apply({"text": text})
    said = str(caught.value)
    assert "r1: /x:isis: FRR has not taken 'router isis llmsync: net 49.0003" in said
    after = parse(router.running)
    assert owned(after) | foreign(after) == owned(before) | foreign(before)


def test_the_place_of_others_is_not_taken(router):
    router.vtysh("configure terminal", "ip pim ssm prefix-list MINE")
    text = (
        "! /x:pim\nip prefix-list llmsync-ssm seq 5 permit 232.0.0.0/8 le 32\n"
        "! /x:pim\nip pim ssm prefix-list llmsync-ssm\n"
    )
    before = router.running
    with pytest.raises(SchemaError, match="from somebody else") as caught:
        backend(router).apply({"text": text})
    assert caught.value.problems[0].place.path == "/x:pim"
    assert router.running == before
    router.vtysh("configure terminal", "no ip pim ssm prefix-list MINE")


def test_a_daemon_that_does_not_run_is_named(router):
    text = config() + "! /x:v6\ninterface e0\n ipv6 ospf6 area 0.0.0.0\nexit\n"
    before = router.running
    with pytest.raises(SchemaError, match="FRR's ospf6d does not run"):
        backend(router).apply({"text": text})
    assert router.running == before


def test_a_router_forwards_whoever_has_forbidden_it(router):
    plane = backend(router)
    plane.apply({"text": config()})
    assert "no ip forwarding" not in router.running
    router.vtysh("configure terminal", "no ip forwarding")
    assert "no ip forwarding" in router.running
    plane.apply({"text": config()})
    assert "no ip forwarding" not in router.running


def test_startup_is_saved_by_frr(router):
    backend(router).apply({"text": config()})
    router.frr.save()
    assert "router isis llmsync" in (router.home / "frr.conf").read_text()


def test_no_frr_is_an_error_for_people(tmp_path):
    gone = Vtysh(sockets=tmp_path)
    with pytest.raises(EnvironmentProblem, match="failed to connect to any daemons"):
        gone.running()
    with pytest.raises(EnvironmentProblem, match="No such file"):
        Vtysh(program=str(tmp_path / "none")).running()
