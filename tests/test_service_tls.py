"""The service under TLS: whose certificate is believed, and what is refused before it listens."""

from __future__ import annotations

import ssl
from pathlib import Path

import aiohttp
import pytest
from service_site import PEOPLE, Api, Authority, badge, make_running, serving

from toolkit.errors import UnreachableError, UsageError
from toolkit.service.client import Client, Credentials, RefusedError
from toolkit.service.server import Settings
from toolkit.service.tokens import Principal, Role, Tokens


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def settings(authority: Authority, *, tokens: Tokens | None = None, mtls: bool = False) -> Settings:
    certificate, key = authority.issue("service", "127.0.0.1", "service.example")
    return Settings(
        host="127.0.0.1", port=0, certificate=certificate, key=key, tokens=tokens,
        client_authority=authority.file if mtls else None,
    )  # fmt: skip


def with_certificate(api: Api, authority: Authority, pair: tuple[Path, Path] | None) -> Api:
    api.ssl = ssl.create_default_context(cafile=authority.file)
    if pair is not None:
        api.ssl.load_cert_chain(*pair)
    return api


def test_tokens_over_tls(authority: Authority) -> None:
    people = badge(**PEOPLE)
    running = make_running(seal_key=bytes(range(16)))
    with serving(running, settings=settings(authority, tokens=people.tokens)) as service:
        api = with_certificate(Api(service, people.secret), authority, None)
        answer = api("GET", running.path, "eye")
        assert answer.status == 200
        assert "max-age" in answer.headers["Strict-Transport-Security"]
        told = api("POST", f"{running.path}/receivers", "fra", body={"receiver": "fra"}).json()
        assert told["seal_key"] == bytes(range(16)).hex()
        assert api("GET", f"{running.path}/files/config.json", "fra").body == b"{}"
        hosts = {"Host": "service.example"}
        assert api("GET", running.path, "eye", headers=hosts).status == 200
        assert api("GET", running.path, headers={"Host": "other.example"}).status == 421


def test_a_certificate_is_a_receiver_of_its_name(authority: Authority) -> None:
    running = make_running()
    with serving(running, settings=settings(authority, mtls=True)) as service:
        fra = with_certificate(Api(service), authority, authority.issue("fra"))
        assert fra("POST", f"{running.path}/receivers", body={"receiver": "fra"}).status == 201
        assert fra("POST", f"{running.path}/receivers", body={"receiver": "lon"}).status == 403
        assert fra("POST", f"{running.path}/abort", body={}).status == 403
        assert fra("GET", f"{running.path}/receivers").status == 403


def test_the_dns_name_of_a_certificate_counts_and_not_its_common_name(authority: Authority) -> None:
    running = make_running()
    with serving(running, settings=settings(authority, mtls=True)) as service:
        api = with_certificate(Api(service), authority, authority.issue("lon", "fra"))
        assert api("POST", f"{running.path}/receivers", body={"receiver": "lon"}).status == 403
        assert api("POST", f"{running.path}/receivers", body={"receiver": "fra"}).status == 201


def test_the_token_file_gives_a_certificate_its_role(authority: Authority) -> None:
    operator = Principal(name="alice", roles=frozenset({Role.OPERATOR}))
    running = make_running()
    given = settings(authority, tokens=Tokens(certified=(operator,)), mtls=True)
    with serving(running, settings=given) as service:
        api = with_certificate(Api(service), authority, authority.issue("alice"))
        assert api("POST", f"{running.path}/abort", body={"reason": "x"}).status == 200


def test_a_certificate_of_another_authority_gets_nowhere(
    authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger")
    running = make_running()
    with serving(running, settings=settings(authority, mtls=True)) as service:
        for pair in (stranger.issue("ops"), None):
            api = with_certificate(Api(service), authority, pair)
            # TLS 1.3: the client hears of the refusal when it reads.
            with pytest.raises(aiohttp.ClientError):
                api("GET", running.path)


def test_a_token_instead_of_a_certificate_where_both_are_taken(authority: Authority) -> None:
    people = badge(**PEOPLE)
    running = make_running()
    given = settings(authority, tokens=people.tokens, mtls=True)
    with serving(running, settings=given) as service:
        api = with_certificate(Api(service, people.secret), authority, None)
        assert api("GET", running.path, "eye").status == 200
        assert api("GET", running.path).status == 401


def test_plain_http_gets_no_answer_from_tls(authority: Authority) -> None:
    running = make_running()
    with serving(running, settings=settings(authority)) as service:
        plain = Client(f"http://127.0.0.1:{service.port}", Credentials())
        with pytest.raises(UnreachableError):
            plain.get("/healthz")


def test_the_client_believes_nobody_else(authority: Authority, tmp_path: Path) -> None:
    people = badge(**PEOPLE)
    running = make_running()
    with serving(running, settings=settings(authority, tokens=people.tokens)) as service:
        good = Credentials(token=people.secret["eye"], authority=authority.file)
        assert Client(service.url, good).only_session() == running.id
        other = Credentials(
            token=people.secret["eye"], authority=Authority(tmp_path, "stranger").file
        )
        with pytest.raises(UnreachableError, match="certificate is not trusted") as caught:
            Client(service.url, other).get("/v1/sessions")
        assert people.secret["eye"] not in str(caught.value)
        wrong = Credentials(token="llmsync_wrong", authority=authority.file)
        with pytest.raises(RefusedError, match="token is not known") as refused:
            Client(service.url, wrong).get("/v1/sessions")
        assert refused.value.status == 401
        assert "llmsync_wrong" not in str(refused.value) + repr(wrong) + repr(good)


# ----- before it listens


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"host": "192.0.2.1"}, "--insecure-http"),
        ({"host": "0.0.0.0", "insecure_http": True}, "--tokens or --client-ca"),
        ({"host": "127.0.0.1", "client_authority": Path("ca.pem")}, "--client-ca needs"),
        ({"host": "127.0.0.1", "certificate": Path("c.pem")}, "go together"),
    ],
)
def test_what_is_not_safe_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Settings(**{"port": 0, **given})  # type: ignore[arg-type]


def test_wrong_files_are_said_by_name(authority: Authority, tmp_path: Path) -> None:
    good, key = authority.issue("service")
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    for certificate, secret in ((broken, key), (good, broken), (tmp_path / "none", key)):
        given = Settings(host="127.0.0.1", port=0, certificate=certificate, key=secret)
        with pytest.raises(UsageError, match="--tls-cert"), serving(settings=given):
            pass
    given = Settings(host="127.0.0.1", port=0, certificate=good, key=key, client_authority=broken)
    with pytest.raises(UsageError, match="--client-ca"), serving(settings=given):
        pass


def test_a_token_is_not_sent_in_the_clear() -> None:
    with pytest.raises(UsageError, match="in the clear"):
        Client("http://192.0.2.1:4443", Credentials(token="x"))
    for wrong in ("192.0.2.1:4443", "ftp://192.0.2.1", "https://", "https://h/v1"):
        with pytest.raises(UsageError, match="not the address of a service"):
            Client(wrong, Credentials())
