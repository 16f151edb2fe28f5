"""A service on loopback with real sessions in it: engines in threads, real sockets, real TLS."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from net import KEY, MemorySource

from toolkit.delivery.control import Join, Message
from toolkit.delivery.manifest import digest, seal
from toolkit.delivery.model import Coding, Session
from toolkit.delivery.sender import Sender
from toolkit.delivery.steering import Steering
from toolkit.service.hosted import HostedSession
from toolkit.service.offer import Offer
from toolkit.service.openapi import document
from toolkit.service.server import Service, Settings
from toolkit.service.tokens import Principal, Role, Tokens, new_token

CODING = Coding(symbol=64, block=8, parity=32)
FILES = {"config.json": b"{}", "sub/w.bin": bytes(range(256)) * 20, "empty": b""}


@dataclass
class Badge:
    """Tokens of a test, as a file would list them."""

    tokens: Tokens
    secret: dict[str, str]


def badge(**roles: Role | tuple[Role, ...]) -> Badge:
    """Make a token for each name."""
    hashed, secret = [], {}
    for name, given in roles.items():
        token, kept = new_token()
        told = frozenset(given if isinstance(given, tuple) else (given,))
        hashed.append(
            (bytes.fromhex(kept.removeprefix("sha256:")), Principal(name=name, roles=told))
        )
        secret[name] = token
    return Badge(Tokens(hashed=tuple(hashed)), secret)


PEOPLE: dict[str, Role | tuple[Role, ...]] = {
    "fra": Role.RECEIVER, "lon": Role.RECEIVER, "eve": Role.RECEIVER, "ops": Role.OPERATOR,
    "eye": Role.READER,
}  # fmt: skip


@dataclass
class Running:
    """A session whose engine turns in a thread; what it would send goes nowhere."""

    hosted: HostedSession
    sender: Sender
    source: MemorySource
    addresses: dict[str, tuple[str, int]]
    names: list[str]
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def id(self) -> str:
        return self.hosted.offer.session_id

    @property
    def path(self) -> str:
        return f"/v1/sessions/{self.id}"

    def turn(self) -> None:
        while not self.stop.wait(0.005):
            now = time.monotonic()
            self.sender.bursts(now, 64)
            self.hosted.turn([], now)
            if self.sender.finished:
                break
        self.hosted.close(time.monotonic())


def make_running(
    names: tuple[str, ...] = ("fra", "lon"), *, tsi: int = 0xBADCAFE, name: str = "model",
    admits: bool = False, regions: dict[str, str] | None = None, seal_key: bytes | None = None,
    control_token: bytes | None = None,
    files: dict[str, bytes] | None = None, timeout: float = 60.0, coding: Coding = CODING,
    refused: Counter[str] | None = None,
) -> Running:  # fmt: skip
    source = MemorySource(files or FILES, coding, name)
    session = Session(name=name, tsi=tsi, key=KEY, timeout=timeout, rate=10_000_000)
    sender = Sender(session, source, names)
    offer = Offer(
        delivery=name, tsi=tsi, manifest=source.manifest, digest=digest(source.manifest.encode()),
        envelope=seal(source.manifest, KEY), signing_key=KEY.public_key().public_bytes_raw(),
        control=("0.0.0.0", 4400), group=("239.1.2.3", 4401), admits=admits,
        regions=regions or {}, seal_key=seal_key,
        control_token=control_token,
    )  # fmt: skip
    addresses: dict[str, tuple[str, int]] = {}
    listed = list(names)
    hosted = HostedSession(Steering(sender), source, offer, addresses, listed, refused)
    return Running(hosted, sender, source, addresses, listed)


@contextmanager
def serving(
    *running: Running, settings: Settings | None = None, engines: bool = True
) -> Iterator[Service]:
    """Serve sessions whose engines turn meanwhile."""
    with ExitStack() as stack:
        for one in running:
            stack.callback(one.hosted.release)
        service = Service(settings or Settings(host="127.0.0.1", port=0))
        stack.callback(service.close)
        for one in running:
            stack.enter_context(service.hosting(one.hosted))
            if engines:
                thread = threading.Thread(target=one.turn)
                thread.start()
                stack.callback(thread.join)
                stack.callback(one.stop.set)
        yield service


def joined(running: Running, *names: str) -> None:
    """Let receivers join, as if they had said so."""
    for name in names:
        message = Message(tsi=0, incarnation=1, name=name, body=Join())
        assert running.hosted.feed(name, message.encode())

    def there() -> set[str]:
        rows = running.hosted.snapshot.progress.receivers
        return {r.receiver for r in rows if r.joined is not None}

    wait_until(lambda: set(names) <= there())


def wait_until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    """Case does not matter."""
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Api:
    """Calls the API, and holds every answer against the OpenAPI document."""

    def __init__(self, service: Service, secret: dict[str, str] | None = None) -> None:
        self.service = service
        self.secret = secret or {}
        self.document = document()
        self.ssl: Any = True

    def __call__(
        self, method: str, path: str, who: str = "", *, token: str | None = None, body: Any = None,
        data: bytes | None = None, headers: dict[str, str] | None = None, known: bool = True,
    ) -> Answer:  # fmt: skip
        told = dict(headers or {})
        given = token or self.secret.get(who)
        if given:
            told["Authorization"] = f"Bearer {given}"
        if body is not None:
            data = json.dumps(body).encode()
            told.setdefault("Content-Type", "application/json")

        async def call() -> Answer:
            async with (
                aiohttp.ClientSession(skip_auto_headers=["Content-Type"]) as session,
                session.request(
                    method, self.service.url + path, data=data, headers=told, ssl=self.ssl
                ) as response,
            ):
                return Answer(response.status, response.headers.copy(), await response.read())

        answer = asyncio.run(call())
        if known:
            self.check(method, path.partition("?")[0], answer)
        return answer

    def check(self, method: str, path: str, answer: Answer) -> None:
        """Assert that the document promises this answer."""
        operation = self.document["paths"][self.template(path)][method.lower()]
        responses = operation["responses"]
        assert str(answer.status) in responses, f"{method} {path}: {answer.status} is no answer"
        content = responses[str(answer.status)].get("content", {})
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        if method == "HEAD" or not content:
            return
        assert kind in content, f"{method} {path}: {kind} is not said"
        schema = content[kind].get("schema")
        if schema is not None:
            validate(self.document, schema, answer.json())

    def template(self, path: str) -> str:
        """Return the path of the document that `path` is an instance of."""
        for known in self.document["paths"]:
            parts, given = known.split("/"), path.split("/")
            if "{path}" in known:
                given = [*given[: len(parts) - 1], "/".join(given[len(parts) - 1 :])]
            if len(parts) == len(given) and all(
                p == g or p.startswith("{") for p, g in zip(parts, given, strict=True)
            ):
                return str(known)
        raise AssertionError(f"{path} is not in the document")


def validate(whole: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    """Assert that `value` is what a schema of the document says."""
    rooted = {**schema, "components": whole["components"]}
    jsonschema.Draft202012Validator(rooted).validate(value)


def browse(service: Service, work: Callable[[aiohttp.ClientSession], Awaitable[Any]]) -> Any:
    """Run `work` with a client session."""

    async def run() -> Any:
        async with aiohttp.ClientSession() as session:
            return await asyncio.wait_for(work(session), 30)

    return asyncio.run(run())


class Authority:
    """A certificate authority of a test's own."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        certificate = self._sign(self._name, self._key, ca=True)
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *alternative: str) -> tuple[Path, Path]:
        """Return files with a certificate for `name` and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key, alternative=alternative)
        paths = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )  # fmt: skip
        return paths

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool = False,
        alternative: tuple[str, ...] = (),
    ) -> x509.Certificate:  # fmt: skip
        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if alternative:
            names = [_general(text) for text in alternative]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if not ca:
            uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _general(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
