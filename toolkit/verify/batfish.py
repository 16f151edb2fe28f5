"""Batfish's opinion of the underlay: the one door to pybatfish and to a Batfish service.

Touches the network and a temporary folder.  Law: a service that does not answer means "not run",
never "passed"; every disagreement with our own adjacencies and next hops is a finding, whoever is
wrong.  Batfish models unicast only: reachability of routers (BFR-prefixes, prefixes of
node SIDs) and of sources is asked, groups are not.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.errors import UsageError
from toolkit.plan.model import Plan
from toolkit.planes.interior import Protocol
from toolkit.state.model import NetworkState
from toolkit.verify.batfish_answers import (
    Row,
    edge_findings,
    loop_findings,
    parse_findings,
    reference_findings,
    route_findings,
    unreachable_findings,
    warning_findings,
)
from toolkit.verify.expectation import Expectation, expect
from toolkit.verify.findings import Check, Finding, Report
from toolkit.verify.projection import snapshot_files

PORT = 9996
"""Batfish's REST v2 port."""
NOT_ACCEPTED = "failure, delivered_to_subnet, exits_network"
"""Dispositions that are no success for a host or a loopback: only ACCEPTED is (a missing peer would
otherwise count as delivered to its subnet)."""


@dataclass(frozen=True, slots=True)
class _Check:
    id: str
    title: str
    kinds: tuple[str, ...]
    ask: Callable[[_Service, Expectation], Iterator[Finding]]


def check(
    service: str,
    plan: Plan,
    state: NetworkState,
    *,
    connect_timeout: float = 3.0,
    request_timeout: float = 30.0,
) -> Report:
    """Ask the service at `service` (HOST or HOST:PORT) about the underlay of `state`.

    Timeouts are in seconds.  Never raises for what the service does: a check that it could not
    answer is reported as not run, with the reason.
    """
    host, port = parse_service(service)
    if reason := _preflight(host, port, connect_timeout):
        return not_run(reason)
    try:
        files = snapshot_files(plan, state)
    except ValueError as error:
        return not_run(str(error))
    try:
        bf = _Service(host, port, request_timeout)
        snapshot = bf.upload(plan.name, files)
    except Exception as error:  # noqa: BLE001 - pybatfish raises its own, requests' and bare errors
        return not_run(f"{host}:{port} did not take the snapshot: {_first_line(error)}")
    configured = tuple(name for name in files if name.startswith(("configs/", "hosts/")))
    expectation = expect(plan, state, configured)
    report = Report()
    for item in CHECKS:
        report += _run(item, bf, expectation, f"snapshot {snapshot} on {host}:{port}")
    return report


def not_run(reason: str) -> Report:
    """Return what is reported when no service can be asked."""
    checks = (
        Check(id=c.id, title=c.title, status="not run", reason=f"Batfish: {reason}", kinds=c.kinds)
        for c in CHECKS
    )
    return Report(checks=tuple(checks))


def parse_service(text: str) -> tuple[str, int]:
    """Return host and port of `HOST`, `HOST:PORT` or `[IPv6]:PORT`."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:/\[\]]+)(?::(\d{1,5}))?", text)
    if match is None or not 0 < int(match[2] or PORT) < 65536:
        raise UsageError(f"--batfish {text}: not HOST or HOST:PORT")
    return match[1], int(match[2] or PORT)


def _preflight(host: str, port: int, timeout: float) -> str:
    """Return why the service cannot be asked; empty: it can.

    pybatfish itself retries for many seconds where nothing listens.
    """
    url = f"http://{host}:{port}/v2/version"
    # An HTTP proxy of the environment is for the world outside, not for the service beside us.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=timeout) as reply:
            version = json.load(reply)
    except urllib.error.URLError as error:
        return f"no service answers at {host}:{port} ({error.reason})"
    except (OSError, ValueError) as error:
        return f"what answers at {host}:{port} is no Batfish service ({_first_line(error)})"
    if not isinstance(version, dict) or "Batfish" not in version:
        return f"what answers at {host}:{port} is no Batfish service (no version in its reply)"
    return ""


class _Service:
    """A pybatfish session with one snapshot; answers are plain rows."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        from pybatfish.client.session import Session

        self._session = Session(
            host=host, port=port, timeout=timeout, proxies={"http": "", "https": ""}
        )

    def upload(self, name: str, files: Mapping[str, str]) -> str:
        """Send the snapshot and let the service parse it; return the snapshot's name."""
        digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:12]
        snapshot = f"llmsync-{digest}"
        self._session.set_network(re.sub(r"[^A-Za-z0-9_-]", "-", f"llmsync-{name}"))
        with tempfile.TemporaryDirectory(prefix="llmsync-batfish-") as folder:
            # pybatfish takes the folder that holds exactly one snapshot folder's content.
            for path, text in files.items():
                target = Path(folder) / "snapshot" / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
            self._session.init_snapshot(
                str(Path(folder) / "snapshot"), name=snapshot, overwrite=True
            )
        return snapshot

    def ask(self, question: str, **parameters: Any) -> list[Row]:  # noqa: ANN401 - pybatfish's own types
        """Return the rows of the answer.  Raises LookupError where the service lacks the
        question."""
        template = getattr(self._session.q, question, None)
        if template is None:
            raise LookupError(f"this service has no question {question}")
        frame = template(**parameters).answer().frame()
        rows: list[Row] = frame.to_dict("records")
        return rows


def _run(item: _Check, bf: _Service, expectation: Expectation, where: str) -> Report:
    try:
        findings = tuple(item.ask(bf, expectation))
    except Exception as error:  # noqa: BLE001 - one question that fails must not hide the others
        reason = f"Batfish: {_first_line(error)}"
        return Report(
            checks=(Check(id=item.id, title=item.title, status="not run", reason=reason,
                          kinds=item.kinds),)
        )  # fmt: skip
    failed = any(f.severity == "error" for f in findings)
    status = "failed" if failed else "passed"
    check = Check(id=item.id, title=item.title, status=status, reason=where, kinds=item.kinds)
    return Report(findings=findings, checks=(check,))


def _parse(bf: _Service, expectation: Expectation) -> Iterator[Finding]:
    yield from parse_findings(bf.ask("fileParseStatus"), expectation.files)
    yield from warning_findings(bf.ask("parseWarning"))
    yield from reference_findings(bf.ask("undefinedReferences"))


def _adjacencies(bf: _Service, expectation: Expectation) -> Iterator[Finding]:
    question = "isisEdges" if expectation.protocol is Protocol.ISIS else "ospfEdges"
    yield from edge_findings(bf.ask(question), expectation)


def _routes(bf: _Service, expectation: Expectation) -> Iterator[Finding]:
    yield from route_findings(bf.ask("routes", rib="main"), expectation)


def _reachability(bf: _Service, expectation: Expectation) -> Iterator[Finding]:
    from pybatfish.datamodel.flow import HeaderConstraints, PathConstraints

    for what, reach in expectation.reachable.items():
        rows = bf.ask(
            "reachability",
            pathConstraints=PathConstraints(startLocation=", ".join(sorted(reach.starts))),
            headers=HeaderConstraints(dstIps=", ".join(map(str, sorted(reach.destinations)))),
            actions=NOT_ACCEPTED,
            maxTraces=1,
        )
        yield from unreachable_findings(rows, what)


def _loops(bf: _Service, expectation: Expectation) -> Iterator[Finding]:
    del expectation
    yield from loop_findings(bf.ask("detectLoops", maxTraces=1))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


CHECKS = (
    _Check(
        "batfish-parse",
        "Batfish understands the projected configurations",
        ("batfish-parse", "batfish-warning", "batfish-undefined-reference"),
        _parse,
    ),
    _Check(
        "batfish-adjacencies",
        "Batfish sees the adjacencies of the IGP that we see",
        ("batfish-edge-missing", "batfish-edge-unexpected"),
        _adjacencies,
    ),
    _Check(
        "batfish-routes",
        "Batfish routes between routers as we do",
        ("batfish-route-missing", "batfish-route-differs"),
        _routes,
    ),
    _Check(
        "batfish-reachability",
        "Batfish delivers reports to their sources, and unicast between routers",
        ("batfish-unreachable",),
        _reachability,
    ),
    _Check(
        "batfish-loops",
        "Batfish finds no unicast forwarding loop",
        ("batfish-loop",),
        _loops,
    ),
)
