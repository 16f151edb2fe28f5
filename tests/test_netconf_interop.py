"""Our push against a server that we did not write: Debian's netconfd."""

from __future__ import annotations

import pytest
from netconf_farm import Payload, tree
from netconfd_server import MISSING, netconfd

from toolkit.datafiles import data_folder
from toolkit.errors import ExitCode, PlanError
from toolkit.netconf.push import PushState, push
from toolkit.netconf.transaction import State

pytestmark = [pytest.mark.interop, pytest.mark.skipif(bool(MISSING), reason=MISSING)]


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    with netconfd(tmp_path_factory.mktemp("yuma")) as reachable:
        yield reachable


@pytest.fixture(autouse=True)
def emptied(target):
    """Each test finds a server without our configuration."""
    push([target], {"yuma": Payload({})})


def test_a_push_arrives_stays_and_is_not_repeated(target):
    from toolkit.cli.loading import load_plan
    from toolkit.render.payload import render_plan

    _, plan, _ = load_plan(data_folder("inventories") / "demo")
    payloads = {"yuma": render_plan(plan)["ams1"]}
    first = push([target], payloads)
    assert first.state is PushState.COMMITTED, first
    second = push([target], payloads, check=True)
    assert second.state is PushState.UNCHANGED, second.changes
    other = {"yuma": render_plan(plan)["dal1"]}
    assert push([target], other).state is PushState.COMMITTED
    assert push([target], other, check=True).state is PushState.UNCHANGED


def test_a_change_that_is_given_up_leaves_the_server_as_it_was(target):
    assert push([target], {"yuma": Payload(tree(1))}).state is PushState.COMMITTED

    def verify():
        raise PlanError([])

    report = push([target], {"yuma": Payload(tree(2))}, verify=verify)
    assert report.exit_code is ExitCode.ROLLED_BACK
    assert [o.state for o in report.outcomes] == [State.ROLLED_BACK]
    assert push([target], {"yuma": Payload(tree(1))}, check=True).state is PushState.UNCHANGED


def test_a_server_that_refuses_a_value_is_understood(target):
    """netconfd has its own mind about patterns; what it says reaches us with tag and path."""
    from toolkit.errors import DeviceError
    from toolkit.netconf.runtime_ncclient import Connection

    connection = Connection(target, timeout=10.0, settle=0.06)
    with pytest.raises(DeviceError) as caught:
        connection.request(
            "<edit-config><target><candidate/></target><config>"
            '<isis xmlns="urn:llmsync:isis"><system-id>x</system-id></isis></config></edit-config>'
        )
    connection.leave()
    assert caught.value.tag == "invalid-value"
    assert caught.value.path.endswith("isis/system-id")
