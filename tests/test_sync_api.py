"""The daemon's HTTP API: who may report, what is understood, what is told; TLS and certificates."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from service_site import Authority

from toolkit.errors import UnreachableError, WireError
from toolkit.service.client import Client, Credentials, RefusedError
from toolkit.service.server import Settings
from toolkit.service.tokens import Tokens, new_token, read_tokens
from toolkit.sync.api import serving
from toolkit.sync.config import load_config
from toolkit.sync.daemon import Daemon, group_of
from toolkit.sync.journal import Journal
from toolkit.sync.orders import parse_orders
from toolkit.sync.repository import Repository

REPORT: dict[str, Any] = {"models": {}, "sessions": [], "wait": 0}


class Place:
    """A daemon that has looked at a repository with one version, and decides nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "models/llama/v1").mkdir(parents=True)
        (folder / "models/llama/v1/w").write_bytes(b"weights")
        (folder / "sync.yaml").write_text(
            "repository: models\nsettle: 0s\nmodels: {llama: {}}\n"
            "clouds: {fra: {models: all}, lon: {models: all}}\n"
        )
        self.tokens: dict[str, str] = {}
        lines = []
        for name, roles in (("fra", "receiver"), ("ops", "reader"), ("hel", "receiver")):
            self.tokens[name], proof = new_token()
            lines.append(f"{name} {roles} {proof}\n")
        (folder / "tokens").write_text("".join(lines))

    def visit(
        self,
        visit: Callable[[str, Daemon], None],
        *,
        certificate: Path | None = None,
        key: Path | None = None,
        authority: Path | None = None,
    ) -> None:
        """Serve, look once, and call `visit` in a thread with our address."""
        config = load_config(self.folder / "sync.yaml")
        config.state.mkdir(exist_ok=True)
        tokens: Tokens | None = read_tokens(self.folder / "tokens")
        if authority is not None:
            tokens = None
        settings = Settings(
            host="127.0.0.1", port=0, tokens=tokens, certificate=certificate, key=key,
            client_authority=authority,
        )  # fmt: skip
        repository = Repository(
            config.repository, config.models, config.state, config.coding, config.settle
        )

        async def run() -> None:
            with Journal(config.state / "journal") as journal:
                said: list[str] = []
                daemon = Daemon(
                    config, repository, journal, self.folder / "key", said.append, idle=True
                )
                done = False
                async with serving(settings, daemon) as port:
                    working = asyncio.create_task(daemon.run(lambda _: done))
                    while not daemon.looked:
                        await asyncio.sleep(0.01)
                    scheme = "https" if certificate else "http"
                    try:
                        await asyncio.to_thread(visit, f"{scheme}://127.0.0.1:{port}", daemon)
                    finally:
                        done = True
                        daemon.wake()
                        await working

        asyncio.run(run())

    def client(self, url: str, name: str) -> Client:
        return Client(url, Credentials(token=self.tokens.get(name, name)))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def refused(call: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(RefusedError) as raised:
        call()
    return raised.value.status, raised.value.detail


def test_a_cloud_is_told_what_it_is_to_have(place: Place) -> None:
    def visit(url: str, daemon: Daemon) -> None:
        orders = parse_orders(place.client(url, "fra").post("/v1/sync/clouds/fra", REPORT))
        assert (orders.keep, orders.complete, orders.sessions) == (2, True, ())
        assert {m: w.version for m, w in orders.wanted.items()} == {"llama": "v1"}
        status = place.client(url, "ops").get("/v1/sync")
        assert not status["converged"]
        assert [(c["cloud"], c["stage"]) for c in status["clouds"]] == [
            ("fra", "queued"), ("lon", "away"),
        ]  # fmt: skip
        content = orders.wanted["llama"].content
        has = {"llama": {"current": content, "held": [content], "pinned": False}}
        place.client(url, "fra").post("/v1/sync/clouds/fra", {**REPORT, "models": has})
        status = place.client(url, "ops").get("/v1/sync")
        assert [status["clouds"][0][k] for k in ("cloud", "stage")] == ["fra", "current"]
        assert place.client(url, "ops").get("/v1/health")["status"] == "ok"

    place.visit(visit)


def test_who_may_report_and_look(place: Place) -> None:
    def visit(url: str, daemon: Daemon) -> None:
        path = "/v1/sync/clouds/fra"
        assert refused(lambda: place.client(url, "hel").post(path, REPORT))[0] == 403
        assert refused(lambda: place.client(url, "ops").post(path, REPORT))[0] == 403
        assert refused(lambda: place.client(url, "wrong").post(path, REPORT))[0] == 401
        assert refused(lambda: Client(url, Credentials()).post(path, REPORT))[0] == 401
        assert refused(lambda: place.client(url, "fra").get("/v1/sync"))[0] == 403
        status, said = refused(lambda: place.client(url, "hel").post("/v1/sync/clouds/hel", REPORT))
        assert (status, said) == (404, "the sync file names no cloud 'hel'")
        assert daemon.reporting == set()

    place.visit(visit)


@pytest.mark.parametrize(
    "report",
    [
        [], {}, {"models": []}, {**REPORT, "models": {"../x": {}}},
        {**REPORT, "models": {"llama": {"current": None, "held": [1], "pinned": False}}},
        {**REPORT, "models": {"../x": {"current": None, "held": [], "pinned": False}}},
        {**REPORT, "models": {"llama": {"current": "../x", "held": [], "pinned": False}}},
        {**REPORT, "sessions": "abc"}, {**REPORT, "wait": "long"}, {"models": {}},
    ],
)  # fmt: skip
def test_what_is_no_report_is_refused(place: Place, report: Any) -> None:
    def visit(url: str, daemon: Daemon) -> None:
        status, said = refused(lambda: place.client(url, "fra").post("/v1/sync/clouds/fra", report))
        assert status == 400
        assert said.startswith("a report ")
        assert daemon.reporting == set()

    place.visit(visit)


def test_tls_and_client_certificates(place: Place, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server_cert, server_key = authority.issue("server", "127.0.0.1", "localhost")
    cert, key = authority.issue("fra")

    def visit(url: str, daemon: Daemon) -> None:
        mine = Credentials(authority=authority.file, certificate=cert, key=key)
        orders = parse_orders(Client(url, mine).post("/v1/sync/clouds/fra", REPORT))
        assert "llama" in orders.wanted
        assert refused(lambda: Client(url, mine).post("/v1/sync/clouds/lon", REPORT))[0] == 403
        with pytest.raises(UnreachableError, match="not trusted"):
            Client(url, Credentials()).post("/v1/sync/clouds/fra", REPORT)
        with pytest.raises(UnreachableError):
            Client(url, Credentials(authority=authority.file)).get("/v1/sync")

    place.visit(visit, certificate=server_cert, key=server_key, authority=authority.file)


GOOD: dict[str, Any] = {
    "keep": 2, "again": 1, "complete": True,
    "wanted": {"llama": {"version": "v1", "content": "c0ffee00"}},
    "sessions": [{
        "session": 1, "tsi": 7, "model": "llama", "version": "v1", "content": "c0ffee00",
        "address": "192.0.2.1", "port": 4500, "group": None, "key": "00" * 32,
        "seal_key": None, "manifest": "11" * 32,
    }],
}  # fmt: skip


def changed(path: str, value: object) -> dict[str, Any]:
    document: Any = json.loads(json.dumps(GOOD))
    *route, last = [int(p) if p.isdigit() else p for p in path.split("/")]
    at = document
    for part in route:
        at = at[part]
    at[last] = value
    return dict(document)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("wanted/llama/version", "../../etc"), ("wanted/llama/version", "a/b"),
        ("wanted/../x", {"version": "v1", "content": "c0ffee00"}),
        ("wanted/llama/content", "../x"), ("wanted", []), ("sessions", None), ("keep", "many"),
        ("sessions/0/model", "/etc"), ("sessions/0/version", ".."), ("sessions/0/tsi", 0),
        ("sessions/0/port", 70000), ("sessions/0/key", "xyz"), ("sessions/0/content", 5),
        ("sessions/0/seal_key", "00"), ("sessions/0/manifest", "00"),
    ],
)  # fmt: skip
def test_orders_that_could_lead_elsewhere_are_not_obeyed(path: str, value: object) -> None:
    assert parse_orders(GOOD).sessions[0].name == "llama@v1"
    if path == "wanted/../x":
        document = {**GOOD, "wanted": {"../x": value}}
    else:
        document = changed(path, value)
    with pytest.raises(WireError, match="not understood"):
        parse_orders(document)


def test_sessions_have_groups_of_their_own() -> None:
    assert group_of("239.255.80.1:4600", 0) == "239.255.80.1:4600"
    assert group_of("239.255.80.255:4600", 1) == "239.255.81.0:4600"
    assert group_of("[ff3e::8000:1]:4600", 2) == "[ff3e::8000:3]:4600"
