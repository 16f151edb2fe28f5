"""Files over HTTP: ranges, conditions, and that nothing but the manifest's files is there."""

from __future__ import annotations

import asyncio
import http.client
import socket
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from service_site import (
    FILES,
    PEOPLE,
    Api,
    Running,
    badge,
    browse,
    make_running,
    serving,
    wait_until,
)

from toolkit.delivery.manifest import DIGEST_SIZE, digest
from toolkit.delivery.model import Coding
from toolkit.service.access import Refusal
from toolkit.service.handlers import Handlers, _secrets_in_private
from toolkit.service.ranges import Span, UnsatisfiableError, parse_range, tags
from toolkit.service.server import Settings

WEIGHTS = FILES["sub/w.bin"]
SIZE = len(WEIGHTS)


@pytest.fixture
def running() -> Running:
    return make_running()


@pytest.fixture
def api(running: Running) -> Iterator[Api]:
    people = badge(**PEOPLE)
    settings = Settings(host="127.0.0.1", port=0, tokens=people.tokens)
    with serving(running, settings=settings) as service:
        yield Api(service, people.secret)


def tag(running: Running, path: str = "sub/w.bin") -> str:
    (entry,) = (f for f in running.source.manifest.files if f.path == path)
    return f'"{entry.root.hex()}"'


# ----- whole files


@pytest.mark.parametrize("name", FILES)
def test_every_file_whole(api: Api, running: Running, name: str) -> None:
    answer = api("GET", f"{running.path}/files/{name}", "fra")
    assert (answer.status, answer.body) == (200, FILES[name])
    assert answer.headers["ETag"] == tag(running, name)
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Length"] == str(len(FILES[name]))
    head = api("HEAD", f"{running.path}/files/{name}", "fra")
    assert (head.status, head.body, head.headers["ETag"]) == (200, b"", tag(running, name))
    assert head.headers["Content-Length"] == str(len(FILES[name]))
    assert running.hosted.https_bytes["fra"] == len(FILES[name])


def test_digests_prove_the_root(api: Api, running: Running) -> None:
    listed = api("GET", f"{running.path}/digests/sub/w.bin", "fra")
    assert f'"{digest(listed.body).hex()}"' == tag(running) == listed.headers["ETag"]
    assert len(listed.body) % DIGEST_SIZE == 0


# ----- ranges

CASES = {
    "bytes=0-0": (0, 0),
    "bytes=0-": (0, SIZE - 1),
    f"bytes=0-{SIZE - 1}": (0, SIZE - 1),
    f"bytes=0-{SIZE + 9}": (0, SIZE - 1),
    f"bytes={SIZE - 1}-": (SIZE - 1, SIZE - 1),
    "bytes=511-513": (511, 513),
    "bytes=500-3000": (500, 3000),
    "bytes=-1": (SIZE - 1, SIZE - 1),
    f"bytes=-{SIZE * 2}": (0, SIZE - 1),
    "BYTES=1-2": (1, 2),
    "bytes= 1-2": (1, 2),
}


@pytest.mark.parametrize("header", CASES)
def test_a_range(api: Api, running: Running, header: str) -> None:
    first, last = CASES[header]
    answer = api("GET", f"{running.path}/files/sub/w.bin", "fra", headers={"Range": header})
    assert answer.status == 206
    assert answer.body == WEIGHTS[first : last + 1]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.headers["Content-Length"] == str(last - first + 1)


@pytest.mark.parametrize("header", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=-0"])
def test_a_range_beyond_the_end(api: Api, running: Running, header: str) -> None:
    answer = api("GET", f"{running.path}/files/sub/w.bin", "fra", headers={"Range": header})
    assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{SIZE}")
    empty = api("GET", f"{running.path}/files/empty", "fra", headers={"Range": "bytes=0-"})
    assert (empty.status, empty.headers["Content-Range"]) == (416, "bytes */0")


@pytest.mark.parametrize(
    "header", ["bytes=5-2", "bytes=a-b", "bytes", "items=0-1", "bytes=-", "bytes=0-1,5-6", "-1"]
)
def test_a_range_that_is_none_is_ignored(api: Api, running: Running, header: str) -> None:
    answer = api("GET", f"{running.path}/files/sub/w.bin", "fra", headers={"Range": header})
    assert (answer.status, answer.body) == (200, WEIGHTS)


def test_conditions(api: Api, running: Running) -> None:
    def ask(**headers: str) -> int:
        told = {k.replace("_", "-"): v for k, v in headers.items()}
        return api("GET", f"{running.path}/files/sub/w.bin", "fra", headers=told).status

    good, other = tag(running), f'"{"0" * 64}"'
    assert ask(Range="bytes=1-2", If_Range=good) == 206
    assert ask(Range="bytes=1-2", If_Range=other) == 200, "it is another file: all of it"
    assert ask(Range="bytes=1-2", If_Range="Mon, 30 Nov 2026 00:00:00 GMT") == 200
    assert ask(Range=f"bytes={SIZE}-", If_Range=other) == 200
    assert ask(If_None_Match=good) == ask(If_None_Match=f"W/{good}") == 304
    assert ask(If_None_Match=f"{other}, {good}") == ask(If_None_Match="*") == 304
    assert ask(If_None_Match=other) == 200
    assert ask(If_Match=good) == ask(If_Match="*") == 200
    assert ask(If_Match=other) == 412


@given(
    size=st.integers(0, 500), first=st.integers(0, 600), length=st.integers(1, 600),
    suffix=st.booleans(),
)  # fmt: skip
def test_a_span_is_what_a_slice_would_be(size: int, first: int, length: int, suffix: bool) -> None:
    content = bytes(i % 251 for i in range(size))
    header = f"bytes=-{length}" if suffix else f"bytes={first}-{first + length - 1}"
    wanted = content[-length:] if suffix else content[first : first + length]
    try:
        span = parse_range(header, size)
    except UnsatisfiableError:
        assert wanted == b""
        return
    assert span is not None
    assert content[span.first : span.last + 1] == wanted
    assert span.length == len(wanted) > 0


@given(header=st.text(max_size=60), size=st.integers(0, 1000))
def test_no_header_makes_a_range_outside(header: str, size: int) -> None:
    try:
        span = parse_range(f"bytes={header}", size)
    except UnsatisfiableError:
        return
    assert span is None or 0 <= span.first <= span.last < size
    tags(header)


def test_numbers_without_end_are_refused() -> None:
    assert parse_range("bytes=0-" + "9" * 5000, 10) is None
    assert parse_range("bytes=2-" + "9" * 50, 10) == Span(2, 9)


# ----- nothing else is there

ELSEWHERE = [
    "../config.json", "sub/../config.json", "/etc/passwd", "%2e%2e/config.json",
    "sub%2f..%2fconfig.json", "..%5cconfig.json", "config.json/", "config.json%00", "CONFIG.JSON",
    "./config.json", "sub//w.bin", "sub", "%2fetc%2fpasswd", "....//config.json", ".llmsync",
]  # fmt: skip


@pytest.mark.parametrize("path", ELSEWHERE)
def test_a_path_is_one_of_the_manifest_or_nothing(api: Api, running: Running, path: str) -> None:
    """Sent as it stands: no client tidies it up on the way."""
    connection = http.client.HTTPConnection("127.0.0.1", api.service.port, timeout=10)
    connection.request(
        "GET", f"{running.path}/files/{path}",
        headers={"Authorization": f"Bearer {api.secret['fra']}"},
    )  # fmt: skip
    response = connection.getresponse()
    body = response.read()
    connection.close()
    assert response.status == 404, body
    assert b"root:" not in body


def test_an_encoded_slash_is_a_slash(api: Api, running: Running) -> None:
    answer = api("GET", f"{running.path}/files/sub%2Fw.bin", "fra", known=False)
    assert answer.body == WEIGHTS


# ----- what goes wrong


def test_a_source_that_has_changed_sends_nothing_wrong(api: Api, running: Running) -> None:
    running.source.changed.add((1, 0))
    answer = api("GET", f"{running.path}/files/sub/w.bin", "fra")
    assert answer.status == 409
    assert "changed" in answer.json()["detail"]


def test_one_that_changes_on_the_way_is_cut(api: Api, running: Running) -> None:
    running.source.changed.add((1, 3))

    async def fetch(session: aiohttp.ClientSession) -> bytes:
        got = b""
        url = f"{api.service.url}{running.path}/files/sub/w.bin"
        headers = {"Authorization": f"Bearer {api.secret['fra']}"}
        try:
            async with session.get(url, headers=headers) as response:
                assert response.headers["Content-Length"] == str(SIZE)
                async for chunk in response.content.iter_any():
                    got += chunk
        except (aiohttp.ClientPayloadError, aiohttp.ClientOSError):
            return got
        raise AssertionError("it looked whole")

    got = browse(api.service, fetch)
    assert len(got) < SIZE
    assert WEIGHTS.startswith(got)


def test_too_many_at_once_are_told_to_wait(
    api: Api, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.service.files.MAX_DOWNLOADS", 0)
    answer = api("GET", f"{running.path}/files/sub/w.bin", "fra")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")


def test_a_client_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.service.files.STALL", 0.3)
    people = badge(**PEOPLE)
    coding = Coding(symbol=1000, block=200, parity=0)
    running = make_running(files={"big.bin": bytes(30_000_000)}, coding=coding)
    settings = Settings(host="127.0.0.1", port=0, tokens=people.tokens)
    with serving(running, settings=settings, engines=False) as service:
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(20)
            sock.connect(("127.0.0.1", service.port))
            sock.sendall(
                f"GET {running.path}/files/big.bin HTTP/1.1\r\nHost: localhost\r\n"
                f"Authorization: Bearer {people.secret['fra']}\r\n\r\n".encode()
            )
            # Nothing is read: the buffers fill, and then the service gives up.
            wait_until(lambda: service.access.refused["stalled"] == 1)
            taken = 0
            with suppress(ConnectionResetError):
                while chunk := sock.recv(1 << 20):
                    taken += len(chunk)
        assert taken < 30_000_000
        assert running.hosted.https_bytes["fra"] < 30_000_000


@pytest.mark.parametrize("keys", [{"seal_key": bytes(16)}, {"control_token": bytes(32)}, {}])
def test_a_session_with_keys_gives_nothing_in_the_clear(keys: dict[str, bytes]) -> None:
    offered = make_running(**keys).hosted  # type: ignore[arg-type]
    request = make_mocked_request("GET", "/")
    _secrets_in_private(request.clone(remote="127.0.0.1"), offered)
    _secrets_in_private(request.clone(remote="192.0.2.9", scheme="https"), offered)
    routes = SimpleNamespace(_session=lambda _: offered)
    for remote in ("192.0.2.9", "2001:db8::1"):
        for ask in (
            lambda there: _secrets_in_private(there, offered),
            lambda there: asyncio.run(Handlers.manifest(routes, there, None)),  # type: ignore[arg-type]
        ):
            with pytest.raises(Refusal) if keys else nullcontext():
                ask(request.clone(remote=remote))
    offered.release()
    assert repr(bytes(16)) not in repr(offered.offer)
