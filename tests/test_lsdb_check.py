"""Problems of BIER in a live network: one line for one mistake, and what follows for the BIRTs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from lsdb_networks import isis_capture, router_lsps
from planes_networks import state

from toolkit.bier.signalling.info import BierInfo, BiftIdRange
from toolkit.bier.wire import Encapsulation
from toolkit.lsdb.capture import read_databases
from toolkit.lsdb.survey import Survey, survey

MPLS = Encapsulation.MPLS
NET = state([("a", "b"), ("b", "c"), ("c", "d")], bfr_ids={"a": 1, "b": None, "c": 3, "d": 4})
Change = Callable[[str, BierInfo], list[BierInfo]]


def only(router: str, **fields: object) -> Change:
    """Change what one router says."""
    return lambda name, info: [replace(info, **fields) if name == router else info]  # type: ignore[arg-type]


def told(change: Change) -> Survey:
    return survey(read_databases(isis_capture(router_lsps(NET, change))))


def rows(found: Survey, router: str) -> list[int]:
    (one,) = found.scopes
    return [
        bfr_id
        for table in one.tables
        if one.scope.name_of(table.router) == router
        for bfr_id in table.rows
    ]


def lines(found: Survey) -> list[tuple[str, str, str]]:
    return [(p.place.split(": ")[-1][-60:], str(p.kind), p.what) for p in found.problems]


def place(router: int, number: int = 1) -> str:
    text = f"level 2 LSP 0000.0000.000{router}.00-00, TLV 135 (number 5), "
    return f"{text}10.255.0.{router}/32, sub-TLV 32 (number {number})"[-60:]


def test_a_sound_network_has_no_problem() -> None:
    found = told(lambda _name, info: [info])
    assert found.problems == ()
    assert not found.harmed
    assert rows(found, "a") == [1, 3, 4]


def test_a_bfr_id_held_twice() -> None:
    found = told(only("d", bfr_id=3))
    assert lines(found) == [
        ("sub-domain 0", "bfr-id-collision",
         "BFR-id 3 is held by c, d; none of them can be reached by it")
    ]  # fmt: skip
    assert found.harmed
    assert rows(found, "a") == [1]


def test_a_sub_domain_in_two_topologies_and_with_two_algorithms() -> None:
    found = told(only("c", bar=7, ipa=130))
    assert lines(found) == [
        ("sub-domain 0", "bar-ipa-conflict",
         "its BFRs do not agree: BAR 0 and IPA 0 (a, b, d), BAR 7 and IPA 130 (c); "
         "these are non-BFRs to each other"),
        (place(3), "bar-ipa-unsupported",
         "BAR 7 and IPA 130 are not SPF: to a router without them the advertising one is no BFR, "
         "and no BIRT is computed for it here"),
    ]  # fmt: skip
    assert rows(found, "c") == []
    assert rows(found, "a") == [1, 4]
    (one,) = found.scopes
    crossing = next(t for t in one.tables if t.router.endswith("1")).rows[4].neighbors
    assert [(n.router, n.tunnel) for n in crossing] == [("b", None)]
    across = next(t for t in one.tables if t.router.endswith("2")).rows[4].neighbors
    assert [(n.router, str(n.tunnel and n.tunnel.remote)) for n in across] == [("d", "10.255.0.4")]


def test_strict_spf_is_spf() -> None:
    found = told(lambda _name, info: [replace(info, ipa=1)])
    assert found.problems == ()
    assert rows(found, "a") == [1, 3, 4]


def test_no_common_bsl() -> None:
    found = told(only("c", ranges=(BiftIdRange(MPLS, 3, 9000, 0),)))
    assert lines(found) == [
        ("sub-domain 0", "bsl-or-encapsulation-mismatch",
         "no BSL and encapsulation is common to all of its BFRs: mpls 256 (c), mpls 64 (a, b, d)")
    ]  # fmt: skip
    both = told(only("c", ranges=(BiftIdRange(MPLS, 3, 9000, 0), BiftIdRange(MPLS, 1, 9001, 0))))
    assert both.problems == ()


def test_a_set_beyond_max_si() -> None:
    found = told(only("d", bfr_id=70))
    assert lines(found) == [
        (place(4), "set-out-of-range",
         "BFR-id 70 lies in set 1 of BSL 64, beyond the Max SI that a, b, c, d advertise")
    ]  # fmt: skip
    assert rows(found, "a") == [1, 3]


def test_ranges_that_overlap_are_named_once_for_each_bier_info() -> None:
    second = BierInfo(sub_domain_id=1, bfr_id=4, ranges=(BiftIdRange(MPLS, 1, 4000, 0),))
    found = told(lambda name, info: [info, second] if name == "d" else [info])
    what = "labels 4000-4000 (sub-domain 0, BSL 64) and labels 4000-4000 (sub-domain 1, BSL 64)"
    assert lines(found) == [
        (place(4, number), "label-ranges-overlap", f"{what} overlap") for number in (1, 2)
    ]
    assert rows(found, "a") == [1, 3]


def test_a_bfer_that_no_path_leads_to() -> None:
    lsps = router_lsps(NET)
    lsps["d"] = replace(lsps["d"], tlvs=tuple(t for t in lsps["d"].tlvs if t.type != 22))
    found = survey(read_databases(isis_capture(lsps)))
    assert lines(found) == [
        (place(1), "bfer-unreachable",
         "sub-domain 0, BSL 64: no path of BFRs leads to a (BFR-id 1) from d"),
        (place(3), "bfer-unreachable",
         "sub-domain 0, BSL 64: no path of BFRs leads to c (BFR-id 3) from d"),
        (place(4).replace("number 5", "number 4"), "bfer-unreachable",
         "sub-domain 0, BSL 64: no path of BFRs leads to d (BFR-id 4) from a, b, c"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["b", "0000.0000.0002", "10.255.0.2", "10.255.0.2/32"])
def test_a_router_answers_to_name_id_and_bfr_prefix(name: str) -> None:
    (one,) = told(lambda _name, info: [info]).scopes
    assert one.answers_to(name) == ["0000.0000.0002"]
    assert one.answers_to("x") == []
