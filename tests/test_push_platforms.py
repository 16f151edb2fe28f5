"""Every platform that the embedded router can be: pushed once, a second push changes nothing, what
is not ours stays, and a session that breaks leaves all or nothing.

(ietf over SSH: test_platform_ietf_push; FRR itself: test_frr_push.)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from kill_memory import _InOrder
from netconf_memory import MemoryNet, memory
from platform_cases import cases
from test_netconf_ownership import schema_of
from yang_sets import FOLDERS, needs_modules

from toolkit.errors import ExitCode
from toolkit.inventory.model import Platform
from toolkit.netconf.datastore import EMPTY
from toolkit.netconf.dialect import dialect
from toolkit.netconf.faults import Trouble, parse_fault
from toolkit.netconf.flavours import Flavour
from toolkit.netconf.journal import Standing
from toolkit.netconf.names import Datastore
from toolkit.netconf.profiles import profile_of
from toolkit.netconf.push import PushReport, PushState, push
from toolkit.netconf.records import records
from toolkit.netconf.recovery import recover, roll_back
from toolkit.netconf.router import Device
from toolkit.netconf.schema import SchemaNode, SchemaTree
from toolkit.netconf.tree import Node, parse_siblings
from toolkit.plan.expand import make_plan
from toolkit.render.payload import render_plan
from toolkit.yang.platforms import platform_schema
from toolkit.yang.schema import Schema

__all__ = ["memory"]
pytestmark = [needs_modules, pytest.mark.timeout(300)]

ROUTERS = ("r1", "r3", "r4")
ETHERNET = "iana-if-type:ethernetCsmacd"
MGMT = {"ietf-interfaces:interfaces": {"interface": [{"name": "mgmt0", "type": ETHERNET}]}}
FOREIGN: Mapping[Platform, Mapping[str, Any]] = {
    Platform.REFERENCE: MGMT,
    Platform.FRR: MGMT,
    Platform.IETF: {
        **MGMT,
        "ietf-routing:routing": {
            "control-plane-protocols": {
                "control-plane-protocol": [{"type": "ietf-routing:static", "name": "default"}]
            }
        },
    },
    Platform.SROS: {
        "nokia-conf:configure": {
            "filter": {"ip-filter": [{"filter-name": "office", "filter-id": 77}]},
            "router": [{"router-name": "Base", "interface": [{"interface-name": "office"}]}],
        }
    },
    Platform.VRP: {
        "huawei-ifm:ifm": {
            "interfaces": {
                "interface": [
                    {"name": "LoopBack99", "type": "LoopBack", "class": "main-interface",
                     "number": "99"}
                ]
            }
        },
        "huawei-network-instance:network-instance": {
            "instances": {"instance": [{"name": "_public_"}]}
        },
    },
    Platform.JUNOS: {
        "junos-conf-root:configuration": {
            "junos-conf-interfaces:interfaces": {
                "interface": [{"name": "ge-9/0/9", "unit": [{"name": "7"}]}]
            },
            "junos-conf-protocols:protocols": {"isis": {"interface": [{"name": "ge-9/0/9.7"}]}},
        }
    },
}  # fmt: skip
"""What somebody else has configured."""
UNREAD = (Platform.SROS, Platform.VRP, Platform.JUNOS)
"""pyang does not read these modules, or takes minutes and 2 GB: what edits need to know comes from
the documents.  What is valid is libyang's to say, as everywhere."""


class Documents(SchemaTree):
    """A schema made of documents, which do not tell empty containers from empty leaves."""

    def _node(self, schema: SchemaNode, value: Any) -> Node:
        return Node(schema.name) if value == {} else super()._node(schema, value)


def payloads(platform: Platform, case: str) -> dict[str, Any]:
    plan, _ = make_plan(cases(platform)[case])
    rendered = render_plan(plan)
    return {name: rendered[name] for name in ROUTERS}


def chosen(platform: Platform) -> tuple[str, str]:
    """Return two cases that have little in common."""
    names = list(cases(platform))
    return names[0], names[-1]


class Routers:
    """Three of a platform."""

    def __init__(self, net: MemoryNet, platform: Platform) -> None:
        self.net, self.platform = net, platform

    @property
    def targets(self):
        return [replace(t, platform=self.platform.value) for t in self.net.targets]

    def push(self, case: str, **options: Any) -> PushReport:
        return push(self.targets, payloads(self.platform, case), degraded=True, **options)

    def running(self) -> list[Any]:
        return [device.config(Datastore.RUNNING) for device in self.net.devices.values()]


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMSYNC_YANG_PATH", os.pathsep.join(map(str, FOLDERS)))
    monkeypatch.setattr("toolkit.netconf.push.side_by_side", _InOrder)
    monkeypatch.setattr("toolkit.netconf.recovery.side_by_side", _InOrder)


@pytest.fixture(params=list(FOREIGN), ids=str)
def routers(request, modules, memory, monkeypatch) -> Routers:
    platform: Platform = request.param
    schema = platform_schema(platform.value)
    assert isinstance(schema, Schema)
    foreign = FOREIGN[platform]
    if platform in UNREAD:
        soak = request.node.get_closest_marker("soak") is not None
        wanted = cases(platform) if soak else chosen(platform)
        language = dialect(platform.value)
        trees = [
            language.intent(payload.xml, name)
            for case in wanted for name, payload in payloads(platform, case).items()
        ]  # fmt: skip
        theirs = EMPTY.with_children(parse_siblings(schema.to_xml(foreign)))
        index = schema_of(language._shape, *trees, theirs)
        modules = {module: space for space, module in language._shape.modules.items()}
        index = Documents(index.roots, modules)
        monkeypatch.setattr("toolkit.netconf.router.schema_tree", lambda _: index)
    flavours = frozenset({Flavour.JUNOS} if platform is Platform.JUNOS else ())
    devices = [Device(name, schema, flavours=flavours) for name in ROUTERS]
    xml = parse_siblings(schema.to_xml(foreign))
    for device in devices:
        session = device.open()
        device.edit(session, EMPTY.with_children(xml))
        device.commit(session, 0.0)
        device.close(session, 0.0)
    return Routers(memory(devices, profile_of(platform.value)), platform)


def test_a_second_push_changes_nothing_and_what_is_foreign_stays(routers, tmp_path):
    empty = routers.running()
    first, second = chosen(routers.platform)
    for case in (first, second):
        report = routers.push(case, journal=tmp_path)
        assert report.state is PushState.COMMITTED, [str(o.error) for o in report.outcomes]
        after = routers.running()
        again = routers.push(case, journal=tmp_path)
        assert again.state is PushState.UNCHANGED, again.changes
        assert routers.running() == after
        for theirs, found in zip(empty, after, strict=True):
            assert contains(found, theirs)
    undone = None
    for record in reversed(records(tmp_path)):
        undone = roll_back(record.path, routers.targets)
        assert undone.state is PushState.COMMITTED, undone.outcomes
    assert routers.push(first, check=True).state is not PushState.UNCHANGED
    for theirs, found in zip(empty, routers.running(), strict=True):
        assert contains(found, theirs)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_every_case_after_every_other_kind_and_each_twice(routers):
    empty = routers.running()
    names = list(cases(routers.platform))
    for case in (*names[::2], *names[1::2]):
        report = routers.push(case)
        said = [str(o.error) for o in report.outcomes]
        assert report.state in (PushState.COMMITTED, PushState.UNCHANGED), (case, said)
        again = routers.push(case)
        assert again.state is PushState.UNCHANGED, (case, again.changes)
        for theirs, found in zip(empty, routers.running(), strict=True):
            assert contains(found, theirs)


def contains(found: Any, part: Any) -> bool:
    """Tell whether everything of a tree is in another one."""
    if not part.children:
        return found.value == part.value
    return all(
        any(contains(child, wanted) for child in found.children if child.name == wanted.name)
        for wanted in part.children
    )


@pytest.mark.parametrize(
    "fault", ["drop-after:commit#1", "drop-before:commit#2", "drop-after:lock"]
)
def test_a_session_that_breaks_leaves_all_or_nothing(routers, tmp_path, fault):
    before = routers.running()
    first, _ = chosen(routers.platform)
    device = routers.net.devices["r3"]
    device.trouble = Trouble([parse_fault(fault)])
    report = routers.push(first, journal=tmp_path)
    device.trouble = Trouble(())
    new = report.state is PushState.COMMITTED
    if report.journal is not None:
        new = True
        again = recover(report.journal, routers.targets, resume=True)
        assert again.exit_code is ExitCode.OK, again.outcomes
    routers.net.expire()
    state = routers.push(first, check=True).state
    assert state is (PushState.UNCHANGED if new else PushState.PENDING)
    if not new:
        assert routers.running() == before
    assert Standing.DOUBT not in {record.entry.standing for record in records(tmp_path)}
