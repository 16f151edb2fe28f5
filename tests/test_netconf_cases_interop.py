"""The same table against a server that we did not write: Debian's netconfd, where it is right."""

from __future__ import annotations

import pytest
from netconf_cases.case import IF, ISIS, Case, copy, edit
from netconf_cases.judge import problems
from netconf_cases.table import CASES
from netconf_cases.yuma import APPLICABLE, DIFFERENT
from netconfd_server import MISSING, netconfd
from test_netconf_cases import numbered

from toolkit.netconf.messages import parse_reply
from toolkit.netconf.push import Target
from toolkit.netconf.runtime_ncclient import Connection

NOTHING = (
    f'<interfaces xmlns="{IF}" nc:operation="remove"/><isis xmlns="{ISIS}" nc:operation="remove"/>'
)
EMPTY = (edit(NOTHING), "<commit/>", copy("<running/>", "startup"))


def test_the_cases_have_names_of_their_own_and_the_exceptions_are_cases() -> None:
    names = [case.id for case in CASES]
    assert len(names) == len(set(names))
    assert set(DIFFERENT) <= set(names)
    assert len(APPLICABLE) == len(CASES) - len(DIFFERENT)


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    folder = tmp_path_factory.mktemp("yuma")
    with netconfd(folder, "--with-startup=true", "--with-nmda=true") as reachable:
        yield reachable


def connect(target: Target) -> Connection:
    # A request that comes with the hello is not answered (profiles.py says more).
    return Connection(target, timeout=10.0, settle=0.06)


@pytest.fixture
def emptied(target):
    """Each case finds a server without configuration and with nothing pending."""
    connection = connect(target)
    # Refused where nothing is pending, which is so after all cases but those that failed.
    connection._exchange("<cancel-commit><persist-id>p</persist-id></cancel-commit>")
    for request in ("<discard-changes/>", *EMPTY):
        assert parse_reply(connection._exchange(request)).errors == (), request
    connection.leave()
    return target


@pytest.mark.parametrize("case", APPLICABLE, ids=lambda case: case.id)
@pytest.mark.interop
@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_netconfd_answers_alike(emptied: Target, case: Case) -> None:
    connections: dict[int, Connection] = {}
    try:
        for step in case.steps:
            if step.session not in connections:
                connections[step.session] = connect(emptied)
            ids = {n: str(c._session.id) for n, c in connections.items()}
            reply = connections[step.session]._exchange(numbered(step.request, ids))
            assert problems(step, reply, exact=False) == [], step
            for ended in step.ends:
                connections.pop(ended).close()
    finally:
        for connection in connections.values():
            connection.leave()
