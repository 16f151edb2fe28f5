"""`llmsync receive --fallback` against real servers: nginx with TLS, and one that lies."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import json
import os
import random
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from netns import needs_namespaces
from test_cli_doctor import network, receiving

from toolkit.cli.main import main
from toolkit.delivery.keys import public_path, sending_key
from toolkit.delivery.model import Coding, Session
from toolkit.delivery.publishing import publish
from toolkit.delivery.source import open_source
from toolkit.errors import UsageError
from toolkit.transport.ranges import Server

WEIGHTS = random.Random(3).randbytes(6_000_000)
needs_nginx = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")


class Model:
    """A model, what `send --publish` makes of it, and a receiver's command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "model"
        (self.path / "sub").mkdir(parents=True)
        (self.path / "weights 1.bin").write_bytes(WEIGHTS)
        (self.path / "sub" / "config.json").write_bytes(b"{}" * 70)
        (self.path / "empty").write_bytes(b"")
        self.key = folder / "key"
        key, _ = sending_key(self.key)
        self.source = open_source(self.path, Coding(symbol=1376))
        session = Session(name="model", tsi=1, key=key)
        self.public = folder / "www"
        publish(self.public, self.source, session, self.path)

    def receive(
        self, url: str, *more: str, capsys: pytest.CaptureFixture[str]
    ) -> tuple[int, dict[str, object], str]:
        code = main([
            "receive", "--name", "fra", "--output", str(self.folder / "out"), "--fallback", url,
            "--fallback-only", "--trust", str(public_path(self.key)), "-o", "json", *more,
        ])  # fmt: skip
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else {}, said.err

    def placed(self) -> bool:
        out = self.folder / "out"
        return (
            (out / "weights 1.bin").read_bytes() == WEIGHTS
            and (out / "sub" / "config.json").read_bytes() == b"{}" * 70
            and (out / "empty").read_bytes() == b""
        )


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return Model(tmp_path)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate that signs itself, for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem, secret = folder / "cert.pem", folder / "cert.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ))  # fmt: skip
    return pem, secret


@contextlib.contextmanager
def nginx(folder: Path, root: Path) -> Iterator[tuple[str, Path]]:
    """nginx that serves `root` over TLS; its address, and the authority to believe."""
    pem, secret = certificate(folder)
    port = free_port()
    work = folder / "nginx"
    work.mkdir()
    user = "user root;" if os.geteuid() == 0 else ""
    temporary = " ".join(
        f"{kind}_temp_path {work}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (work / "conf").write_text(
        f"{user} daemon off; pid {work}/pid; error_log {work}/error;"
        f"events {{}} http {{ access_log {work}/access; {temporary}"
        f"server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {pem};"
        f"ssl_certificate_key {secret}; root {root}; }} }}"
    )
    process = subprocess.Popen(["nginx", "-c", str(work / "conf"), "-e", str(work / "error")])
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield f"https://127.0.0.1:{port}", pem
    finally:
        process.terminate()
        process.wait(20)


@needs_nginx
def test_a_model_comes_from_nginx_over_tls_with_the_same_digests(
    model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    with nginx(model.folder, model.public) as (url, authority):
        code, said, err = model.receive(url, "--ca", str(authority), capsys=capsys)
    assert code == 0, err
    assert model.placed()
    assert said["by_https"] == said["bytes"] == len(WEIGHTS) + 140
    assert said["by_packets"] == 0
    assert said["https_faults"] == {}


@needs_nginx
def test_a_certificate_that_nobody_vouches_for_is_refused_and_said(
    model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    with nginx(model.folder, model.public) as (url, _):
        code, _, err = model.receive(url, "--timeout", "1", capsys=capsys)
    assert code == 1
    assert "certificate is not trusted" in err
    assert "--ca" in err
    assert not (model.folder / "out").exists()


@needs_nginx
def test_what_an_interrupted_run_has_fetched_is_not_fetched_again(
    model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = model.public / "files" / "weights 1.bin"
    whole.unlink()
    whole.write_bytes(WEIGHTS[:4_500_000].ljust(len(WEIGHTS), b"?"))
    with nginx(model.folder, model.public) as (url, authority):
        trust = ("--ca", str(authority))
        code, _, err = model.receive(url, *trust, "--timeout", "2", capsys=capsys)
        assert code == 1
        assert "what was received is kept" in err
        whole.write_bytes(WEIGHTS)
        code, said, err = model.receive(url, *trust, capsys=capsys)
    assert code == 0, err
    assert model.placed()
    assert 0 < said["by_https"] <= len(WEIGHTS) + 140 - 4 * 2**20


Handler = Callable[[web.Request, bytes, int, int], AsyncIterator[None]]


class Liar:
    """An HTTP server that answers every other range of the weights as `lie` says."""

    def __init__(self, model: Model, lie: Callable[..., object]) -> None:
        self.lie = lie
        self.model = model
        self.count = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = self.model.public / request.path.lstrip("/")
        if not path.is_file():
            return web.Response(status=404)
        data = await asyncio.to_thread(path.read_bytes)
        given = request.headers.get("Range")
        if given is None or "weights" not in request.path:
            return web.Response(body=data) if given is None else self._range(data, given)
        self.count += 1
        if self.count % 2:
            return await self.lie(self, request, data, given)
        return self._range(data, given)

    def _range(self, data: bytes, given: str, **changes: object) -> web.Response:
        first, last = map(int, given.removeprefix("bytes=").split("-"))
        headers = {"Content-Range": f"bytes {first}-{last}/{len(data)}", "ETag": '"one"'}
        headers |= changes.pop("headers", {})  # type: ignore[arg-type]
        body = changes.pop("body", data[first : last + 1])
        return web.Response(status=206, body=body, headers=headers)  # type: ignore[arg-type]

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_get("/{tail:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        self._stop = asyncio.Event()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    def __enter__(self) -> str:
        self._thread.start()
        self._ready.wait(20)
        return f"http://127.0.0.1:{self.port}"

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)


async def whole_file(liar: Liar, request: web.Request, data: bytes, given: str) -> web.Response:
    return web.Response(body=data)


async def wrong_bytes(liar: Liar, request: web.Request, data: bytes, given: str) -> web.Response:
    first, last = map(int, given.removeprefix("bytes=").split("-"))
    return liar._range(data, given, body=bytes(last + 1 - first))


async def too_long(liar: Liar, request: web.Request, data: bytes, given: str) -> web.Response:
    first, last = map(int, given.removeprefix("bytes=").split("-"))
    return liar._range(data, given, body=data[first : last + 1] + bytes(5_000_000))


async def cut_short(
    liar: Liar, request: web.Request, data: bytes, given: str
) -> web.StreamResponse:
    first, last = map(int, given.removeprefix("bytes=").split("-"))
    response = web.StreamResponse(status=206, headers={
        "Content-Range": f"bytes {first}-{last}/{len(data)}",
        "Content-Length": str(last + 1 - first),
    })  # fmt: skip
    await response.prepare(request)
    await response.write(data[first : first + 1000])
    assert request.transport is not None
    request.transport.close()
    return response


async def new_etag(liar: Liar, request: web.Request, data: bytes, given: str) -> web.Response:
    return liar._range(data, given, headers={"ETag": f'"{liar.count}"'})


async def redirect(liar: Liar, request: web.Request, data: bytes, given: str) -> web.Response:
    return web.Response(status=302, headers={"Location": "http://192.0.2.1/"})


async def encoded(liar: Liar, request: web.Request, data: bytes, given: str) -> web.Response:
    return liar._range(data, given, headers={"Content-Encoding": "gzip"}, body=b"\x1f\x8b")


async def error(liar: Liar, request: web.Request, data: bytes, given: str) -> web.Response:
    return web.Response(status=503, body=b"come again")


LIES = {
    "no ranges": whole_file, "wrong bytes": wrong_bytes, "wrong length": too_long,
    "wrong length (cut)": cut_short, "changed": new_etag, "no answer (redirect)": redirect,
    "no answer (encoding)": encoded, "HTTP 503": error,
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_counted_and_never_placed(
    lie: str, model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    with Liar(model, LIES[lie]) as url:
        code, said, err = model.receive(url, "--timeout", "20", capsys=capsys)
    assert code == 0, err
    assert model.placed()
    assert said["https_faults"].get(lie.partition(" (")[0], 0) >= 1, said["https_faults"]


def test_a_server_that_is_not_there_ends_it_after_the_timeout_with_its_reason(
    model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    code, _, err = model.receive(url, "--timeout", "1", capsys=capsys)
    assert code == 1
    assert "Connection refused" in err
    assert url in err


@needs_namespaces
@needs_nginx
def test_a_receiver_that_data_does_not_reach_finishes_by_http_and_the_sender_knows(
    model: Model,
) -> None:
    # The way to b has a small MTU: polls and the manifest come through, packets of data do not.
    work = model.folder / "nginx"
    work.mkdir()
    (work / "conf").write_text(
        f"user root; daemon off; pid {work}/pid; events {{}} http {{ access_log off;"
        f"client_body_temp_path {work}/body; server {{ listen 10.9.7.1:8080;"
        f"root {model.public}; }} }}"
    )
    with network(small=1300) as net, contextlib.ExitStack() as stack:
        command = ["ip", "netns", "exec", net["s"], "nginx", "-c", str(work / "conf")]
        server = stack.enter_context(subprocess.Popen([*command, "-e", str(work / "error")]))
        stack.callback(server.terminate)
        fallback = ("--fallback", "http://10.9.7.1:8080", "--fallback-after", "2")
        with receiving(net, "b", model.folder, *fallback, "--trust", str(public_path(model.key))):
            done = subprocess.run(
                ["ip", "netns", "exec", net["s"], sys.executable, "-m", "toolkit.cli", "send",
                 str(model.path), "--to", "b=10.9.7.3:4401", "--control", "10.9.7.1", "--no-probe",
                 "--rate", "50M", "--key", str(model.key), "-o", "json"],
                capture_output=True, text=True, check=False, timeout=90,
            )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (receiver,) = json.loads(done.stdout)["receivers"]
    assert receiver["standing"] == "complete"
    assert receiver["by"] == "https"
    assert len(WEIGHTS) <= receiver["https"] <= len(WEIGHTS) + 140
    assert (model.folder / "b" / "weights 1.bin").read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fallback-only"], "needs --fallback"),
        (["--fallback", "ftp://x/"], "not an http"),
        (["--fallback", "service", "--fallback-only"], "goes with --join"),
        (["--fallback", "http://h/{path}", "--fallback-only"], "files alone are not enough"),
        (["--fallback", "http://h/", "--fallback-after", "-1"], "must not be negative"),
    ],
)
def test_wrong_use_is_2(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = (
        [] if "--fallback-only" in words else ["--listen", "127.0.0.1:0", "--sender", "127.0.0.1"]
    )
    code = main(["receive", "--name", "fra", "--output", str(tmp_path / "x"), *words, *more])
    assert code == 2
    assert said in capsys.readouterr().err


def test_a_published_folder_and_the_model_keep_out_of_each_other(model: Model) -> None:
    session = Session(name="m", tsi=1, key=sending_key(model.key)[0])
    for folder in (model.path, model.path / "www", model.folder):
        with pytest.raises(UsageError, match="may not be in it"):
            publish(folder, model.source, session, model.path)


def test_paths_are_quoted_and_tls_is_verified_by_default() -> None:
    from toolkit.delivery.fetching import Kind, Want

    server = Server(url="https://h:8443/m/")
    assert server.target(Want(Kind.BLOCKS, "a b/ü#?.bin")) == "/m/files/a%20b/%C3%BC%23%3F.bin"
    alone = Server(url="https://h/x/{path}")
    assert alone.target(Want(Kind.BLOCKS, "a b")) == "/x/a%20b"
    connection = server.connect()
    context = connection._context  # type: ignore[attr-defined]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
