"""A router's datastores, locks and confirmed commits: RFC 6241 sections 7.5, 8.3 and 8.4."""

from __future__ import annotations

import pytest

from toolkit.errors import PlanError, SchemaError
from toolkit.netconf.call import Call
from toolkit.netconf.names import Datastore, ErrorOption, TestOption
from toolkit.netconf.reading import get
from toolkit.netconf.router import Device
from toolkit.netconf.rpcerror import RefusedError
from toolkit.netconf.tree import parse_xml
from toolkit.yang.schema import reference_schema

CANDIDATE, RUNNING = Datastore.CANDIDATE, Datastore.RUNNING


def interfaces(*names, description="d"):
    return parse_xml(
        '<config><interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces">'
        + "".join(
            f"<interface><name>{n}</name><description>{description}</description>"
            '<type xmlns:t="urn:ietf:params:xml:ns:yang:iana-if-type">t:ethernetCsmacd</type>'
            "</interface>"
            for n in names
        )
        + "</interfaces></config>"
    )


class Router:
    """A device with two sessions, 1 and 2, and a record of what its data plane was told."""

    def __init__(self, refuse=None):
        self.told = []
        self.refuse = refuse

        def on_commit(tree):
            if self.refuse is not None:
                raise self.refuse
            self.told.append(sorted(names_of(tree)))

        self.device = Device("r1", reference_schema(), on_commit=on_commit)
        assert (self.device.open(), self.device.open()) == (1, 2)

    @property
    def running(self):
        return sorted(names_of(self.device.running))


def names_of(tree):
    return [i["name"] for i in tree.get("ietf-interfaces:interfaces", {}).get("interface", ())]


@pytest.fixture
def router():
    return Router()


def refusal(function, *args, **options):
    """Return (tag, error-info) of the one error that a call is refused with."""
    with pytest.raises(RefusedError) as caught:
        function(*args, **options)
    (error,) = caught.value.errors
    return error.tag, dict(error.info)


# ----- locks


def test_a_lock_held_by_another_session_is_denied_with_its_id(router):
    router.device.lock(1, RUNNING)
    assert refusal(router.device.lock, 2, RUNNING) == ("lock-denied", {"session-id": "1"})
    assert refusal(router.device.lock, 1, RUNNING) == ("lock-denied", {"session-id": "1"})


def test_a_changed_candidate_cannot_be_locked(router):
    router.device.edit(2, interfaces("e0"))
    assert refusal(router.device.lock, 1, CANDIDATE) == ("lock-denied", {"session-id": "2"})
    router.device.close(2, 0.0)
    assert refusal(router.device.lock, 1, CANDIDATE) == ("lock-denied", {"session-id": "0"})
    router.device.discard(1)
    router.device.lock(1, CANDIDATE)


def test_a_locked_candidate_is_edited_by_its_holder_alone(router):
    router.device.lock(1, CANDIDATE)
    for request in (router.device.edit, router.device.copy):
        assert refusal(request, 2, interfaces("e0"))[0] == "in-use"
    assert refusal(router.device.discard, 2)[0] == "in-use"
    assert refusal(router.device.commit, 2, 0.0)[0] == "in-use"
    router.device.edit(1, interfaces("e0"))


def test_running_is_not_committed_over_another_sessions_lock(router):
    router.device.lock(2, RUNNING)
    router.device.edit(1, interfaces("e0"))
    assert refusal(router.device.commit, 1, 0.0)[0] == "in-use"
    assert router.running == []


def test_an_unlocked_candidate_forgets_its_changes(router):
    router.device.lock(1, CANDIDATE)
    router.device.edit(1, interfaces("e0"))
    assert refusal(router.device.unlock, 2, CANDIDATE)[0] == "operation-failed"
    router.device.unlock(1, CANDIDATE)
    assert not router.device.dirty


def test_a_lost_session_takes_its_locks_and_its_candidate_along(router):
    router.device.lock(1, RUNNING)
    router.device.lock(1, CANDIDATE)
    router.device.edit(1, interfaces("e0"))
    router.device.close(1, 0.0)
    router.device.lock(2, CANDIDATE)
    router.device.lock(2, RUNNING)
    assert not router.device.dirty


# ----- edits are validated


def test_an_invalid_edit_changes_nothing_and_names_everything(router):
    config = parse_xml(
        '<config><isis xmlns="urn:llmsync:isis"><system-id>x</system-id>'
        "<interface><name>e9</name></interface></isis></config>"
    )
    with pytest.raises(RefusedError) as caught:
        router.device.edit(1, config)
    assert {(e.tag, e.path) for e in caught.value.errors} >= {
        ("invalid-value", "/llmsync-isis:isis/system-id"),
    }
    assert not router.device.dirty


def test_a_broken_reference_may_be_set_and_fails_at_the_commit(router):
    config = parse_xml(
        '<config><isis xmlns="urn:llmsync:isis"><system-id>0000.0000.0001</system-id>'
        "<area-address>49.0001</area-address><interface><name>e9</name></interface>"
        "</isis></config>"
    )
    assert refusal(router.device.edit, 1, config)[0] == "data-missing"
    router.device.edit(1, config, test=TestOption.SET)
    assert router.device.dirty
    with pytest.raises(RefusedError) as caught:
        router.device.validate(CANDIDATE)
    (error,) = caught.value.errors
    assert (error.tag, error.app_tag) == ("data-missing", "instance-required")
    assert error.path == "/llmsync-isis:isis/interface[name='e9']/name"
    assert refusal(router.device.commit, 1, 0.0)[0] == "data-missing"
    router.device.edit(1, interfaces("e9"))
    router.device.commit(1, 0.0)
    assert router.running == ["e9"]


def test_test_only_finds_faults_and_changes_nothing(router):
    router.device.edit(1, interfaces("e0"), test=TestOption.TEST_ONLY)
    assert not router.device.dirty


def test_with_set_the_error_option_decides_what_stays(router):
    broken = parse_xml(
        '<config><isis xmlns="urn:llmsync:isis"><hostname>h</hostname><nonsense/></isis></config>'
    )
    router_edit = router.device.edit
    option = ErrorOption.ROLLBACK
    assert refusal(router_edit, 1, broken, test=TestOption.SET, error_option=option)[0] == (
        "unknown-element"
    )
    assert not router.device.dirty
    assert refusal(router_edit, 1, broken, test=TestOption.SET)[0] == "unknown-element"
    assert router.device.dirty


def test_an_edit_that_says_what_is_there_already_changes_nothing(router):
    router.device.edit(1, interfaces("e0"))
    router.device.commit(1, 0.0)
    router.device.edit(1, interfaces("e0"))
    assert not router.device.dirty


# ----- confirmed commits


def test_a_commit_tells_the_data_plane_once_and_an_empty_one_not_at_all(router):
    router.device.edit(1, interfaces("e0"))
    router.device.commit(1, 0.0)
    router.device.commit(1, 1.0)
    assert router.told == [["e0"]]


def test_a_data_plane_that_refuses_stops_the_commit():
    router = Router(refuse=PlanError([]))
    router.device.edit(1, interfaces("e0"))
    assert refusal(router.device.commit, 1, 0.0)[0] == "operation-failed"
    assert router.running == []
    assert router.device.dirty


def test_an_unconfirmed_commit_reverts_when_its_time_is_over(router):
    router.device.edit(1, interfaces("e0"))
    router.device.commit(1, 100.0, confirmed=True, timeout=30)
    assert router.device.deadline == 130.0
    router.device.expire(129.9)
    assert router.running == ["e0"]
    router.device.expire(130.0)
    assert router.running == []
    assert router.told == [["e0"], []]
    assert router.device.deadline is None
    assert not router.device.dirty


def test_a_confirmed_commit_stays(router):
    router.device.edit(1, interfaces("e0"))
    router.device.commit(1, 0.0, confirmed=True, timeout=30)
    router.device.commit(1, 10.0)
    router.device.expire(1000.0)
    router.device.close(1, 1000.0)
    assert router.running == ["e0"]


def test_a_second_confirmed_commit_extends_the_time_and_keeps_the_first_backup(router):
    router.device.edit(1, interfaces("e0"))
    router.device.commit(1, 0.0, confirmed=True, timeout=30)
    router.device.edit(1, interfaces("e1"))
    router.device.commit(1, 20.0, confirmed=True, timeout=30)
    router.device.expire(30.0)
    assert router.running == ["e0", "e1"]
    router.device.expire(50.0)
    assert router.running == []


def test_without_persist_a_confirmed_commit_ends_with_its_session(router):
    router.device.edit(1, interfaces("e0"))
    router.device.commit(1, 0.0, confirmed=True)
    assert refusal(router.device.commit, 2, 1.0)[0] == "in-use"
    assert refusal(router.device.cancel, 2, "")[0] == "in-use"
    assert refusal(router.device.lock, 2, RUNNING) == ("lock-denied", {"session-id": "1"})
    router.device.close(1, 1.0)
    assert router.running == []


def test_with_persist_it_outlives_its_session_and_any_other_may_confirm_it(router):
    router.device.edit(1, interfaces("e0"))
    router.device.commit(1, 0.0, confirmed=True, persist="tx")
    router.device.close(1, 1.0)
    assert router.running == ["e0"]
    assert refusal(router.device.commit, 2, 1.0)[0] == "in-use"
    assert refusal(router.device.commit, 2, 1.0, persist_id="other")[0] == "invalid-value"
    assert refusal(router.device.lock, 2, RUNNING) == ("lock-denied", {"session-id": "0"})
    router.device.commit(2, 2.0, persist_id="tx")
    router.device.expire(1e6)
    assert router.running == ["e0"]


def test_a_cancelled_commit_is_undone_at_once(router):
    assert refusal(router.device.cancel, 1, "")[0] == "operation-failed"
    assert refusal(router.device.cancel, 1, "tx")[0] == "invalid-value"
    router.device.edit(1, interfaces("e0"))
    router.device.commit(1, 0.0, confirmed=True, persist="tx")
    assert refusal(router.device.cancel, 2, "")[0] == "in-use"
    router.device.cancel(2, "tx")
    assert router.running == []
    assert router.device.deadline is None


def test_a_rollback_keeps_what_was_edited_since(router):
    router.device.edit(1, interfaces("e0"))
    router.device.commit(1, 0.0, confirmed=True, timeout=5)
    router.device.edit(1, interfaces("e1"))
    router.device.expire(5.0)
    assert router.running == []
    assert router.device.dirty


def test_a_rollback_happens_even_when_the_data_plane_objects(router):
    router.device.edit(1, interfaces("e0"))
    router.device.commit(1, 0.0, confirmed=True, timeout=5)
    router.refuse = PlanError([])
    router.device.expire(5.0)
    assert router.running == []
    assert router.device.faults == [router.refuse]


# ----- what runs at first, and state


@pytest.mark.parametrize("state", [{"llmsync-isis:nonsense": {}}, {"nobody:x": 1}])
def test_state_that_makes_no_sense_is_an_error_and_no_crash(state):
    device = Device("r1", reference_schema(), state=lambda: state)
    assert refusal(device.state)[0] == "operation-failed"


def test_a_router_may_start_with_a_configuration_that_is_valid():
    tree = {"llmsync-isis:isis": {"system-id": "0000.0000.0001", "area-address": ["49.0001"]}}
    assert Device("r1", reference_schema(), config=tree).running == tree
    with pytest.raises(SchemaError, match="system-id"):
        Device("r1", reference_schema(), config={"llmsync-isis:isis": {"system-id": "x"}})


def test_state_joins_the_entries_of_the_configuration():
    session = {"name": "m", "tsi": 1, "source": "10.0.0.1", "group": "232.1.0.1", "role": "egress"}
    receipt = {"receiver": "cloud", "complete": True}
    state = {
        "llmsync-delivery:deliveries": {"session": [{"name": "m", "receipt": [receipt]}]},
        "llmsync-isis:isis": {"adjacency": [{"interface": "e0"}]},
    }
    device = Device(
        "r1", reference_schema(), state=lambda: state,
        config={"llmsync-delivery:deliveries": {"session": [session]}},
    )  # fmt: skip
    (data,) = get(Call(device, device.open(), parse_xml("<get/>"), 0.0))
    by_name = {node.name.local: node for node in data.children}
    (merged,) = by_name["deliveries"].children
    assert [c.name.local for c in merged.children] == [*session, "receipt"]
    assert "isis" in by_name
    assert "netconf-state" in by_name
    assert "yang-library" in by_name
    assert [node.name.local for node in device.config(RUNNING).children] == ["deliveries"]
