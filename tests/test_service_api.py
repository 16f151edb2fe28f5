"""The API of a running service: every answer is one that its OpenAPI document promises."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest
from openapi_spec_validator import validate as validate_openapi
from service_site import PEOPLE, Api, Badge, badge, joined, make_running, serving, wait_until

from toolkit.delivery.admission import Quota
from toolkit.delivery.authentic import key_of
from toolkit.delivery.manifest import open_manifest
from toolkit.delivery.model import Standing
from toolkit.service.access import MAX_BODY, Access
from toolkit.service.handlers import Handlers
from toolkit.service.openapi import document
from toolkit.service.page import live_page
from toolkit.service.server import Service, Settings, application
from toolkit.service.streams import Newsroom, Pulse
from toolkit.service.throttle import MAX_FAILURES, Throttle
from toolkit.service.tokens import Tokens


def guarded(tokens: Tokens) -> Settings:
    return Settings(host="127.0.0.1", port=0, tokens=tokens)


@pytest.fixture
def people() -> Badge:
    return badge(**PEOPLE)


@pytest.fixture
def api(people: Badge) -> Iterator[Api]:
    """A service with one session, whose receivers are fra and lon."""
    running = make_running(regions={"fra": "eu"})
    with serving(running, settings=guarded(people.tokens)) as service:
        found = Api(service, people.secret)
        found.running = running  # type: ignore[attr-defined]
        yield found


def path(api: Api, rest: str = "") -> str:
    return api.running.path + rest  # type: ignore[attr-defined,no-any-return]


# ----- the document


def test_the_document_is_valid_openapi_3_1() -> None:
    found = document()
    validate_openapi(found)
    assert found["openapi"].startswith("3.1")


def test_every_route_of_the_application_is_in_the_document_and_the_other_way_round() -> None:
    access = Access()
    handlers = Handlers(access, dict, live_page(), b"", Newsroom(list, Pulse()))
    app = application(access, handlers)
    served = {(r.method, r.resource.canonical) for r in app.router.routes() if r.resource}
    told = {(method.upper(), path) for path, ways in document()["paths"].items() for method in ways}
    assert served == told
    handlers.downloads.close()


def test_the_document_is_served_to_everybody(api: Api) -> None:
    assert api("GET", "/openapi.json").json() == document()


# ----- looking


def test_sessions_receivers_events_and_receipts(api: Api) -> None:
    running = api.running  # type: ignore[attr-defined]
    joined(running, "fra")
    (listed,) = api("GET", "/v1/sessions", "eye").json()["sessions"]
    shown = api("GET", path(api), "eye").json()
    assert listed["id"] == shown["id"] == "0badcafe"
    assert shown["standings"] == {"joined": 1, "absent": 1}
    assert shown["manifest"] == running.hosted.offer.digest.hex()
    rows = api("GET", path(api, "/receivers"), "eye").json()["receivers"]
    assert [(r["receiver"], r["region"], r["standing"]) for r in rows] == [
        ("fra", "eu", "joined"), ("lon", "", "absent"),
    ]  # fmt: skip
    events = api("GET", path(api, "/events"), "eye").json()
    assert [(e["number"], e["kind"], e["receiver"]) for e in events["events"]] == [
        (1, "started", ""), (2, "joined", "fra"),
    ]  # fmt: skip
    later = api("GET", path(api, "/events?after=1"), "eye").json()["events"]
    assert [e["number"] for e in later] == [2]
    receipts = api("GET", path(api, "/receipts"), "eye").json()["receipts"]
    assert [r["complete"] for r in receipts] == [False, False]
    assert api("GET", path(api, "/events?after=x"), "eye").status == 400


def test_the_manifest_is_the_signed_one(api: Api) -> None:
    envelope = api("GET", path(api, "/manifest"), "fra").body
    offer = api.running.hosted.offer  # type: ignore[attr-defined]
    assert open_manifest(envelope, offer.signing_key).manifest == offer.manifest


def test_what_is_not_there(api: Api) -> None:
    assert api("GET", "/v1/sessions/00000001", "eye").status == 404
    assert api("GET", path(api, "/receivers/ams"), "eye").status == 404
    assert api("DELETE", path(api, "/receivers/ams"), "ops").status == 404
    assert api("GET", "/v2", "eye", known=False).status == 404
    answer = api("POST", "/healthz", known=False)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET")


def test_health_is_for_everybody(api: Api) -> None:
    assert api("GET", "/healthz").json()["sessions"] == 1


# ----- who may


MAY = {
    ("GET", "/v1/sessions"): {"fra", "ops", "eye"},
    ("GET", "{one}"): {"fra", "ops", "eye"},
    ("GET", "{one}/receivers"): {"ops", "eye"},
    ("GET", "{one}/receivers/fra"): {"fra", "ops", "eye"},
    ("GET", "{one}/receivers/lon"): {"ops", "eye"},
    ("GET", "{one}/events"): {"ops", "eye"},
    ("GET", "{one}/receipts"): {"ops", "eye"},
    ("GET", "{one}/manifest"): {"fra", "ops", "eye"},
    ("GET", "{one}/digests/config.json"): {"fra", "ops"},
    ("GET", "{one}/files/config.json"): {"fra", "ops"},
    ("GET", "/metrics"): {"ops", "eye"},
    ("POST", "{one}/receivers"): {"fra"},
    ("DELETE", "{one}/receivers/lon"): {"ops"},
    ("POST", "{one}/abort"): {"ops"},
}


@pytest.mark.parametrize(("method", "route"), MAY, ids=lambda v: str(v))
def test_who_may(api: Api, method: str, route: str) -> None:
    body = {"receiver": "fra"} if route.endswith("receivers") else {"reason": "x"}
    for who in ("eye", "fra", "ops"):
        told = body if method == "POST" else None
        answer = api(method, route.format(one=path(api)), who, body=told)
        allowed = who in MAY[method, route]
        assert (answer.status < 300) is allowed, (who, answer.body)
        assert allowed or answer.status == 403
    for wrong in (None, "llmsync_" + "x" * 43):
        told = body if method == "POST" else None
        answer = api(method, route.format(one=path(api)), token=wrong, body=told)
        assert answer.status == 401
        assert "Bearer" in answer.headers["WWW-Authenticate"]


def test_a_receiver_of_another_session_gets_no_file(api: Api) -> None:
    assert api("GET", path(api, "/files/config.json"), "eve").status == 403
    assert api("GET", path(api, "/digests/config.json"), "eve").status == 403


def test_without_tokens_everybody_may_look_on_loopback_and_nobody_may_do() -> None:
    running = make_running()
    with serving(running) as service:
        api = Api(service)
        assert api("GET", f"{running.path}/receivers").status == 200
        assert api("GET", f"{running.path}/files/config.json").status == 401
        assert api("POST", f"{running.path}/abort", body={}).status == 401
        assert api("POST", f"{running.path}/receivers", body={"receiver": "fra"}).status == 401
        assert running.sender.failure is None


# ----- join, leave, evict, abort


def test_join_answers_all_that_a_receiver_needs(api: Api) -> None:
    running = api.running  # type: ignore[attr-defined]
    answer = api("POST", path(api, "/receivers"), "fra", body={"receiver": "fra", "port": 4401})
    assert answer.status == 201
    told = answer.json()
    offer = running.hosted.offer
    assert (told["tsi"], told["signing_key"]) == (offer.tsi, offer.signing_key.hex())
    assert told["control"] == {"host": "127.0.0.1", "port": 4400}
    assert told["group"] == {"host": "239.1.2.3", "port": 4401}
    assert told["source"] == "127.0.0.1"
    assert told["manifest"] == offer.digest.hex()
    assert told["seal_key"] is None
    assert running.addresses == {"fra": ("127.0.0.1", 4401)}


def test_nobody_joins_as_somebody_else(api: Api) -> None:
    answer = api("POST", path(api, "/receivers"), "fra", body={"receiver": "lon", "port": 4401})
    assert answer.status == 403
    assert api.running.addresses == {}  # type: ignore[attr-defined]


def test_one_that_is_not_listed_joins_where_that_is_wanted(people: Badge) -> None:
    closed, opened = make_running(tsi=1), make_running(tsi=2, admits=True)
    with serving(closed, opened, settings=guarded(people.tokens)) as service:
        api = Api(service, people.secret)
        body = {"receiver": "eve", "port": 5000}
        assert api("POST", f"{closed.path}/receivers", "eve", body=body).status == 409
        assert api("POST", f"{opened.path}/receivers", "eve", body=body).status == 201
        assert opened.names == ["fra", "lon", "eve"]
        joined(opened, "eve")
        assert opened.sender.active == 0b100
        assert [r.receiver for r in closed.sender.results()] == ["fra", "lon"]


def test_an_evicted_receiver_is_not_heard_until_it_is_let_in_again(api: Api) -> None:
    running = api.running  # type: ignore[attr-defined]
    joined(running, "fra", "lon")
    assert api("DELETE", path(api, "/receivers/fra?reason=disk"), "ops").status == 200
    standing = {r.receiver: (r.standing, r.reason) for r in running.sender.results()}
    assert standing["fra"] == (Standing.FAILED, "evicted: disk")
    assert running.sender.active == 0b10
    assert api("DELETE", path(api, "/receivers/fra"), "ops").status == 409
    events = api("GET", path(api, "/events"), "eye").json()["events"]
    assert ("evicted", "fra", "ops") in [(e["kind"], e["receiver"], e["by"]) for e in events]
    assert api("POST", path(api, "/receivers"), "fra", body={"receiver": "fra"}).status == 201


def test_a_receiver_leaves(api: Api) -> None:
    running = api.running  # type: ignore[attr-defined]
    joined(running, "fra")
    assert api("DELETE", path(api, "/receivers/lon"), "fra").status == 403
    assert api("DELETE", path(api, "/receivers/fra"), "fra").status == 200
    assert running.sender.results()[0].reason == "left"


def test_two_sessions_at_once_and_the_abort_of_one(people: Badge) -> None:
    one, two = make_running(tsi=1, name="one"), make_running(tsi=2, name="two")
    with serving(one, two, settings=guarded(people.tokens)) as service:
        api = Api(service, people.secret)
        listed = api("GET", "/v1/sessions", "eye").json()["sessions"]
        assert [s["delivery"] for s in listed] == ["one", "two"]
        answer = api("POST", f"{one.path}/abort", "ops", body={"reason": "wrong model"})
        assert answer.status == 200
        wait_until(lambda: one.hosted.snapshot.settled)
        assert str(one.sender.failure) == "wrong model"
        assert two.sender.failure is None
        shown = api("GET", one.path, "eye").json()
        assert (shown["finished"], shown["failure"]) == (True, "wrong model")
        assert api("POST", f"{one.path}/abort", "ops", body={}).status == 409
        assert api("POST", f"{one.path}/receivers", "fra", body={"receiver": "fra"}).status == 409


def test_an_engine_that_does_not_turn_is_said(
    people: Badge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.service.handlers.ANSWER", 0.05)
    running = make_running()
    with serving(running, settings=guarded(people.tokens), engines=False) as service:
        api = Api(service, people.secret)
        answer = api("POST", f"{running.path}/abort", "ops", body={})
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        running.hosted.turn([], 0.0)
        assert running.sender.failure is None, "a command that was given up is not obeyed later"


def test_a_receiver_gets_the_key_of_its_own_messages(people: Badge) -> None:
    token = b"a shared secret that receivers do not learn"
    running = make_running(control_token=token)
    with serving(running, settings=guarded(people.tokens)) as service:
        api = Api(service, people.secret)
        keys = {}
        for name in ("fra", "lon"):
            told = api("POST", f"{running.path}/receivers", name, body={"receiver": name}).json()
            keys[name] = bytes.fromhex(told["control_key"])
        assert keys == {name: key_of(token, name) for name in keys}
        assert keys["fra"] != keys["lon"]
    assert repr(token) not in repr(running.hosted.offer)


def test_joining_over_and_over_is_refused(people: Badge) -> None:
    running = make_running()
    with serving(running, settings=guarded(people.tokens)) as service:
        api = Api(service, people.secret)
        body = {"receiver": "fra"}
        limit = Quota().receiver
        told = [api("POST", f"{running.path}/receivers", "fra", body=body) for _ in range(limit)]
        assert {t.status for t in told} == {201}
        over = api("POST", f"{running.path}/receivers", "fra", body=body)
        assert (over.status, over.headers["Retry-After"]) == (429, "60")
        assert (
            api("POST", f"{running.path}/receivers", "lon", body={"receiver": "lon"}).status == 201
        )
        assert service.access.refused["quota"] == 1


def test_what_was_asked_is_left_for_the_audit_log(api: Api) -> None:
    running = api.running  # type: ignore[attr-defined]
    api("POST", path(api, "/receivers"), "fra", body={"receiver": "fra"})
    api("POST", path(api, "/receivers"), "fra", body={"receiver": "lon"})
    api("POST", path(api, "/receivers"), "eve", body={"receiver": "eve"})
    api("DELETE", path(api, "/receivers/fra"), "ops")
    api("POST", path(api, "/abort"), "ops", body={})
    records = running.hosted.records()
    assert [(r.event, r.who) for r in records] == [
        ("join", "fra"), ("refused", "lon"), ("refused", "eve"), ("evict", "fra"), ("abort", ""),
    ]  # fmt: skip
    assert {r.source for r in records} == {"127.0.0.1"}
    assert records[1].outcome == "join: fra may not speak for lon"
    assert records[3].outcome == "ok (by ops)"
    assert running.hosted.records() == []


# ----- what is refused


def test_who_is_not_let_in_is_left_for_the_audit_log_once_in_a_while(people: Badge) -> None:
    running = make_running()
    settings = Settings(host="127.0.0.1", port=0, tokens=people.tokens)
    with serving(running, settings=settings) as service:
        api = Api(service, people.secret)
        for _ in range(3):
            assert api("POST", f"{running.path}/abort", "fra", body={}).status == 403
        assert api("GET", f"{running.path}/receivers", token="wrong").status == 401
        [record] = running.hosted.records()
    assert (record.event, record.source) == ("refused", "127.0.0.1")
    assert record.outcome.startswith("abort_session: fra is not allowed this")


def test_bodies(api: Api) -> None:
    join = path(api, "/receivers")
    huge = b'{"receiver": "' + b"x" * MAX_BODY + b'"}'
    kind = {"Content-Type": "application/json"}
    assert api("POST", join, "fra", data=huge, headers=kind).status == 413
    assert api("POST", join, "fra", data=b"receiver=fra").status == 415
    for wrong in (b"", b"{", b"[]", b'{"receiver": 1}', b'{"receiver": "fra", "port": 0}',
                  b'{"receiver": "fra", "more": 1}', b'{"receiver": ""}', b"\xff"):  # fmt: skip
        answer = api("POST", join, "fra", data=wrong, headers=kind)
        assert answer.status == 400, wrong
        assert answer.headers["Content-Type"].startswith("application/problem+json")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:4443", "localhost.evil.example"])
def test_a_name_that_is_not_ours(api: Api, host: str) -> None:
    assert api("GET", "/v1/sessions", "eye", headers={"Host": host}).status == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:80", "192.0.2.1"])
def test_a_name_that_is_ours(api: Api, host: str) -> None:
    assert api("GET", "/v1/sessions", "eye", headers={"Host": host}).status == 200


def test_pages_of_other_origins_may_not_ask(api: Api) -> None:
    other = {"Origin": "http://evil.example"}
    assert api("GET", "/v1/sessions", "eye", headers=other).status == 403
    own = {"Origin": api.service.url}
    assert api("GET", "/v1/sessions", "eye", headers=own).status == 200


def test_guessing_is_slowed_down_and_nobody_else_is_shut_out(api: Api) -> None:
    for _ in range(MAX_FAILURES):
        assert api("GET", "/v1/sessions", token="wrong").status == 401
    answer = api("GET", "/v1/sessions", token="wrong")
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) >= 1
    assert api("GET", "/v1/sessions", "eye").status == 200


def test_failures_are_forgiven_and_memory_is_bounded() -> None:
    throttle = Throttle()
    waits = [throttle.failed("192.0.2.1", 0.0) for _ in range(MAX_FAILURES + 1)]
    assert waits[-1] > 0
    assert not any(waits[:-1])
    assert throttle.failed("2001:db8::1", 0.0) == 0
    assert throttle.failed("192.0.2.1", 10.0) == 0
    for i in range(MAX_FAILURES):
        throttle.failed(f"2001:db8:0:1::{i:x}", 0.0)
    assert throttle.failed("2001:db8:0:1:ffff::1", 0.0) > 0, "a /64 is one host"
    for i in range(20_000):
        throttle.failed(f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}", 0.0)
    assert len(throttle) <= 4096


@pytest.mark.parametrize("route", ["/", "/healthz", "/nowhere", "/v1/sessions"])
def test_every_answer_has_the_headers_of_a_careful_service(api: Api, route: str) -> None:
    headers = api("GET", route, known=False).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["Server"] == "llmsync"
    assert "Strict-Transport-Security" not in headers, "not over plain HTTP"


def test_no_token_is_in_any_answer_or_value(api: Api, people: Badge) -> None:
    secret = people.secret["ops"]
    texts = [repr(people.tokens), repr(api.service.access)]
    shown = ("/metrics", "/v1/sessions", path(api, "/events"), "/openapi.json")
    texts += [str(api("GET", route, "ops", known=False).body) for route in shown]
    assert not any(secret in text for text in texts)


def test_a_request_that_does_not_end_is_ended(
    people: Badge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.service.access.PATIENCE", 0.2)
    running = make_running()
    with serving(running, settings=guarded(people.tokens)) as service:
        head = (
            f"POST {running.path}/receivers HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {people.secret['fra']}\r\nContent-Type: application/json\r\n"
            "Content-Length: 100\r\n\r\n{"
        )
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as sock:
            sock.sendall(head.encode())
            assert sock.recv(4096).startswith(b"HTTP/1.1 408")
        assert service.access.refused["slow"] == 1


def test_a_broken_snapshot_does_not_stop_the_delivery(
    people: Badge, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = make_running()
    with serving(running, settings=guarded(people.tokens)) as service:
        api = Api(service, people.secret)

        def broken(now: float) -> None:
            raise RuntimeError("a bug")

        monkeypatch.setattr(running.hosted._engine, "progress", broken)
        wait_until(lambda: bool(running.hosted.broken))
        assert api("GET", running.path, "eye").json()["watched"] is False
        answer = api("POST", f"{running.path}/abort", "ops", body={"reason": "enough"})
        assert answer.status == 200
        wait_until(lambda: running.sender.failure is not None)


def test_the_service_may_die_and_the_delivery_goes_on(people: Badge) -> None:
    running = make_running()
    with serving(running, settings=guarded(people.tokens)) as service:
        assert service.alive

        async def die() -> None:
            raise SystemExit

        asyncio.run_coroutine_threadsafe(die(), service._loop)
        wait_until(lambda: not service.alive)
        before = running.hosted.snapshot.version
        joined(running, "fra")
        assert running.hosted.snapshot.version > before
        assert running.sender.active == 1


def test_a_port_that_is_taken_is_said(people: Badge) -> None:
    with serving(make_running()) as service, pytest.raises(Exception, match="cannot listen there"):
        Service(Settings(host="127.0.0.1", port=service.port))
