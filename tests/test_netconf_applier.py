"""Parts of a data plane that take a configuration all or not at all, and who is told what."""

from __future__ import annotations

import pytest
from test_netconf_router import interfaces, names_of

from toolkit.errors import EnvironmentProblem, Place, Problem, SchemaError
from toolkit.netconf.applier import Chain
from toolkit.netconf.backend_frr import FrrBackend
from toolkit.netconf.frr_text import parse
from toolkit.netconf.names import Datastore, TestOption
from toolkit.netconf.router import Device
from toolkit.netconf.rpcerror import RefusedError
from toolkit.netconf.tree import parse_xml
from toolkit.yang.schema import reference_schema


class Part:
    """Remembers what it runs; refuses configurations by name."""

    def __init__(self, *refuses, unwilling=()):
        self.refuses, self.unwilling, self.runs = refuses, unwilling, "old"

    def check(self, document):
        if document["name"] in self.refuses:
            raise SchemaError([Problem(Place("r1", path="/x:name"), "no")])

    def apply(self, document):
        if document["name"] in (*self.refuses, *self.unwilling):
            raise EnvironmentProblem(f"cannot run {document['name']}")
        self.runs = document["name"]


def test_all_parts_run_a_configuration_or_none_does():
    first, second, said = Part(), Part(unwilling=("bad",)), []
    chain = Chain((first, second), {"name": "old"}, said.append)
    chain.check({"name": "new"})
    chain.apply({"name": "new"})
    assert (first.runs, second.runs) == ("new", "new")
    with pytest.raises(EnvironmentProblem, match="cannot run bad"):
        chain.apply({"name": "bad"})
    assert (first.runs, second.runs) == ("new", "new")
    assert said == ["cannot run bad"]


def test_what_cannot_go_back_is_told():
    said = []
    chain = Chain((Part(unwilling=("old",)), Part("bad")), {"name": "old"}, said.append)
    with pytest.raises(EnvironmentProblem, match="cannot run bad"):
        chain.apply({"name": "bad"})
    assert said == [
        "the old configuration could not be restored: cannot run old", "cannot run bad",
    ]  # fmt: skip
    with pytest.raises(SchemaError):
        chain.check({"name": "bad"})


# ----- the router asks, before and at the commit


@pytest.fixture
def device():
    made = []

    def check(document):
        made.append(sorted(names_of(document)))
        if "e9" in names_of(document):
            raise SchemaError(
                [
                    Problem(Place("r1", path="/ietf-interfaces:interfaces"), "no e9", "use e8"),
                    Problem(Place("r1"), "and no more"),
                ]
            )

    device = Device("r1", reference_schema(), check=check)
    device.open()
    device.open()
    device.asked = made
    return device


def test_an_edit_that_the_data_plane_would_not_run_is_refused_with_its_paths(device):
    with pytest.raises(RefusedError) as caught:
        device.edit(1, interfaces("e9"))
    assert [(e.tag, e.path, e.message, e.app_tag) for e in caught.value.errors] == [
        ("operation-failed", "/ietf-interfaces:interfaces", "no e9 (use e8)", ""),
        ("operation-failed", "", "and no more", ""),
    ]
    assert not device.dirty
    device.edit(1, interfaces("e1"))
    device.validate(Datastore.CANDIDATE, 1)
    device.commit(1, 0.0)
    assert device.asked == [["e9"], ["e1"]]  # once for each configuration


def test_what_was_set_untested_is_refused_by_validate_and_commit(device):
    device.edit(1, interfaces("e9"), test=TestOption.SET)
    with pytest.raises(RefusedError, match="no e9"):
        device.validate(Datastore.CANDIDATE, 1)
    with pytest.raises(RefusedError, match="no e9"):
        device.commit(1, 0.0)
    assert names_of(device.running) == []
    with pytest.raises(RefusedError, match="no e9"):
        device.validate(interfaces("e9"), 1)


def test_what_runs_already_is_not_asked_about(device):
    device.validate(parse_xml("<config/>"), 1)
    device.commit(1, 0.0)
    assert device.asked == []


# ----- an FRR that misbehaves


class Stubborn:
    """An FRR that keeps a line out, adds one, or does not come back."""

    def __init__(self, *, drops="", adds="", stuck=False, runs="zebra isisd"):
        self.text, self.daemon_names = "frr version 8.4\n", frozenset(runs.split())
        self.drops, self.adds, self.stuck, self.loads = drops, adds, stuck, []

    def check(self, text):
        return ((3, "Unknown command"),) if "nonsense" in text else ()

    def running(self):
        return self.text

    def daemons(self):
        return self.daemon_names

    def reload(self, text):
        self.loads.append(text)
        if self.stuck and len(self.loads) > 1:
            return "it does not answer"
        lines = [line for line in text.splitlines() if not self.drops or self.drops not in line]
        self.text = "\n".join(lines) + "\n" + (self.adds if len(self.loads) == 1 else "")
        return "failed" if self.drops else ""


TEXT = "! /x:isis\nrouter isis llmsync\n net 49.01\n is-type level-2-only\nexit\n"


def frr(stubborn):
    return FrrBackend("r1", stubborn, lambda document: document["text"])


def test_a_line_that_frr_keeps_out_undoes_everything():
    stubborn = Stubborn(drops="is-type")
    stubborn.text = "router bgp 1\n neighbor 192.0.2.1 remote-as 2\nexit\n"
    with pytest.raises(SchemaError) as caught:
        frr(stubborn).apply({"text": TEXT})
    assert [(p.place.path, p.what) for p in caught.value.problems] == [
        ("/x:isis", "FRR has not taken 'router isis llmsync: is-type level-2-only'"),
        ("", "frr-reload says: failed"),
    ]
    assert parse(stubborn.text) == parse("router bgp 1\n neighbor 192.0.2.1 remote-as 2\nexit\n")


def test_a_line_of_others_that_would_go_is_kept():
    stubborn = Stubborn(drops="remote-as")
    stubborn.text = "router bgp 1\n neighbor 192.0.2.1 remote-as 2\nexit\n"
    with pytest.raises(SchemaError, match="it would have cost somebody else's"):
        frr(stubborn).apply({"text": TEXT})


def test_what_frr_adds_by_itself_is_not_left():
    stubborn = Stubborn(adds="ip route 10.0.0.0/8 blackhole\n")
    with pytest.raises(SchemaError, match="FRR has added by itself"):
        frr(stubborn).apply({"text": TEXT})
    assert "blackhole" not in stubborn.text


def test_an_frr_that_does_not_come_back_is_said_to_be_between():
    stubborn = Stubborn(drops="is-type", stuck=True)
    with pytest.raises(SchemaError, match="it is between the two"):
        frr(stubborn).apply({"text": TEXT})
    assert len(stubborn.loads) == 4


def test_the_line_that_the_parser_refuses_is_shown():
    with pytest.raises(SchemaError) as caught:
        frr(Stubborn()).check({"text": "! /x:a\nrouter isis llmsync\n nonsense\nexit\n"})
    assert str(caught.value) == (
        "r1: /x:a: FRR refuses line 3 of its configuration, 'nonsense': Unknown command"
    )
