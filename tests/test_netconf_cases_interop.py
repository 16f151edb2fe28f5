"""The same table against a server that we did not write: Debian's netconfd, where it is right."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from netconf_cases.case import IF, ISIS, Case, copy, edit
from netconf_cases.judge import problems
from netconf_cases.table import CASES
from netconf_cases.yuma import APPLICABLE, DIFFERENT
from netconf_farm import Payload, tree
from netconfd_server import MISSING, netconfd
from test_netconf_cases import numbered

from toolkit.netconf.messages import parse_reply
from toolkit.netconf.push import PushState, Target, push
from toolkit.netconf.runtime_ncclient import Connection

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "netconf.md"
BEGIN = "<!-- made by tests/test_netconf_cases_interop.py; make golden rewrites it -->"
END = "<!-- end -->"
NOTHING = (
    f'<interfaces xmlns="{IF}" nc:operation="remove"/><isis xmlns="{ISIS}" nc:operation="remove"/>'
)
EMPTY = (edit(NOTHING), "<commit/>", copy("<running/>", "startup"))


def test_the_cases_have_names_of_their_own_and_the_exceptions_are_cases() -> None:
    names = [case.id for case in CASES]
    assert len(names) == len(set(names))
    assert set(DIFFERENT) <= set(names)
    assert len(APPLICABLE) == len(CASES) - len(DIFFERENT)


def listed() -> str:
    """Return how many cases run against which server, and what netconfd does otherwise."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in DIFFERENT.items():
        by_reason.setdefault(reason, []).append(name)
    rows = [f"| {reason} | {'<br>'.join(names)} |" for reason, names in sorted(by_reason.items())]
    return "\n".join(
        [
            "",
            "| server | cases |",
            "|---|---|",
            f"| engine | {len(CASES)} |",
            f"| embedded router over SSH | {len(CASES)} |",
            f"| netconfd, answering alike | {len(APPLICABLE)} |",
            f"| netconfd, not run | {len(DIFFERENT)} |",
            "",
            "What netconfd does otherwise in the cases that are not run against it:",
            "",
            "| netconfd | case |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def test_the_golden_page_lists_what_is_run_and_what_is_not() -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin
    assert end
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        text = before + begin + listed() + end + after
        PAGE.write_text(text, encoding="utf-8")
    assert text == before + begin + listed() + end + after, "make golden rewrites it"


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


@pytest.mark.interop
@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_a_push_to_netconfd_ends_in_its_startup(emptied: Target) -> None:
    assert push([emptied], {"yuma": Payload(tree(1))}).state is PushState.COMMITTED
    connection = connect(emptied)
    (startup,) = connection.request("<get-config><source><startup/></source></get-config>").content
    connection.leave()
    assert {"interfaces", "isis"} <= {node.name.local for node in startup.children}
