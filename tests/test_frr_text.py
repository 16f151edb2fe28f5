"""FRR's configuration as text: what is ours in it, what goes, what stays."""

from __future__ import annotations

from toolkit.netconf.frr_text import (
    Command,
    conflicts,
    daemons,
    foreign,
    merged,
    owned,
    parse,
    path_at,
    paths_of,
    to_text,
    wanted,
)

OURS = """\
! /p:pim
ip prefix-list llmsync-ssm seq 5 permit 232.0.0.0/8 le 32
ip pim ssm prefix-list llmsync-ssm
! /i:isis
router isis llmsync
 is-type level-2-only
 net 49.0001.0000.0000.0001.00
exit
!
! /if:interfaces/interface[name='e0']
interface e0
 description llmsync: r2
 ip address 10.0.0.0/31
 ! /i:isis/interface[name='e0']
 ip router isis llmsync
 isis network point-to-point
exit
!
"""
OTHERS = """\
Building configuration...

Current configuration:
!
frr version 8.4.4
frr defaults traditional
hostname vm
no ip forwarding
no ipv6 forwarding
ip prefix-list CUSTOMERS seq 5 permit 192.0.2.0/24
!
vrf red
 ip route 10.0.0.0/8 blackhole
exit-vrf
!
interface e0
 ip address 198.51.100.1/24
 isis password clear s3cret
 ip ospf hello-interval 1
exit
!
interface e9
 description uplink
 ip address 192.0.2.1/24
 ip router isis core
exit
!
router bgp 65000
 neighbor 192.0.2.2 remote-as 65001
 !
 address-family ipv4 unicast
  network 10.0.0.0/8
  neighbor 192.0.2.2 route-map IN in
 exit-address-family
exit
!
router isis core
 net 49.0002.0000.0000.0001.00
exit
!
route-map IN permit 10
 match ip address prefix-list CUSTOMERS
exit
!
end
"""


def test_text_comes_back_as_it_was():
    assert parse(to_text(parse(OURS))) == parse(OURS)
    assert paths_of(parse(to_text(parse(OURS)))) == paths_of(parse(OURS))
    assert parse(to_text(parse(OTHERS))) == parse(OTHERS)


def test_ours_goes_in_and_out_and_others_stay():
    others, ours = parse(OTHERS), parse(OURS)
    both = parse(to_text(merged(others, ours)))
    assert owned(both) == owned(both, ours) == wanted(ours)
    assert foreign(both, ours) == foreign(others, ours)
    assert "  neighbor 192.0.2.2 route-map IN in\n exit-address-family\nexit\n" in to_text(both)
    assert "vrf red\n ip route 10.0.0.0/8 blackhole\nexit-vrf\n" in to_text(both)
    assert "no ip forwarding" not in to_text(both)  # routers forward
    assert "no ipv6 forwarding" in to_text(both)
    none = parse(to_text(merged(both, ())))
    assert owned(none) == frozenset()
    assert foreign(none) == foreign(others, ours)
    assert "isis password clear s3cret" in to_text(none)
    assert not {"198.51.100.1/24", "10.0.0.0/31"} & set(to_text(none).split())


def test_ours_that_is_there_already_makes_no_difference():
    once = parse(to_text(merged(parse(OTHERS), parse(OURS))))
    assert {s.header: sorted(s.lines) for s in merged(once, parse(OURS))} == {
        s.header: sorted(s.lines) for s in once
    }


def test_an_interface_that_we_leave_keeps_what_others_put_there():
    both = merged(parse(OTHERS), parse(OURS))
    without = tuple(s for s in parse(OURS) if s.header != "interface e0")
    left = {s.header: s.lines for s in merged(both, without)}
    assert left["interface e0"] == ("isis password clear s3cret", "ip ospf hello-interval 1")
    assert left["interface e9"][0] == "description uplink"


def test_ospf_is_ours_where_an_interface_of_ours_runs_it():
    ours = parse(
        "router ospf\n ospf router-id 10.255.0.1\nexit\n"
        "interface e0\n description llmsync: x\n ip ospf area 0.0.0.0\nexit\n"
    )
    there = parse("router ospf\n redistribute connected\nexit\n")
    both = merged(there, ours)
    assert owned(both) == wanted(ours)
    assert [s.lines for s in merged(both, ())] == [("redistribute connected",)]
    assert merged(merged((), ours), ()) == ()


def test_a_foreign_ospf_is_not_ours():
    there = parse("router ospf\n ospf router-id 10.9.9.9\nexit\n")
    assert owned(there) == frozenset()
    assert merged(there, ()) == there
    ours = parse(
        "router ospf\n ospf router-id 10.255.0.1\nexit\n"
        "interface e0\n description llmsync: x\n ip ospf area 0.0.0.0\nexit\n"
    )
    assert list(conflicts(there, ours)) == [
        (Command("router ospf", "ospf router-id 10.255.0.1"), "ospf router-id 10.9.9.9")
    ]


def test_what_frr_has_room_for_once_is_not_taken_from_others():
    there = parse("ip pim ssm prefix-list MINE\ninterface e0\n ip router isis core\nexit\n")
    assert list(conflicts(there, parse(OURS))) == [
        (Command("interface e0", "ip router isis llmsync"), "ip router isis core"),
        (Command("ip pim ssm prefix-list llmsync-ssm"), "ip pim ssm prefix-list MINE"),
    ]
    assert list(conflicts(parse(OTHERS), parse(OURS))) == []


def test_every_line_knows_the_data_path_that_it_comes_from():
    assert path_at(OURS, 3) == ("ip pim ssm prefix-list llmsync-ssm", "/p:pim")
    number = OURS.splitlines().index(" isis network point-to-point") + 1
    assert path_at(OURS, number) == (
        "isis network point-to-point", "/i:isis/interface[name='e0']",
    )  # fmt: skip
    assert path_at(OURS, 999) == ("", "")
    paths = paths_of(parse(OURS))
    assert paths[Command("interface e0", "ip address 10.0.0.0/31")].endswith("[name='e0']")
    assert paths[Command("router isis llmsync", "is-type level-2-only")] == "/i:isis"


def test_the_daemons_that_a_configuration_needs():
    assert daemons(parse(OURS)) == {"zebra", "isisd", "pimd"}
    assert daemons(parse("router ospf6\n ospf6 router-id 1.1.1.1\nexit\n")) == {"ospf6d"}
    assert daemons(parse("interface e0\n ipv6 mld\nexit\n")) == {"zebra", "pim6d"}
    assert daemons(parse("")) == frozenset()
