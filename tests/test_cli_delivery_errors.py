"""Wrong input to the commands of a delivery: one sentence with place and remedy, and its code.

What is wrong with an option is said before a model is read, which may take minutes.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.cli.main import main
from toolkit.errors import ExitCode

HERE = "127.0.0.1:0"
SEND = "send model --to fra=127.0.0.1:9 --control 127.0.0.1:0 --key new.key"
RECEIVE = "receive --name fra --sender 127.0.0.1:9 --output out"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model and files that are wrong in one way each, to work in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "w.bin").write_bytes(b"weights")
    (tmp_path / "junk").write_text("junk\n")
    (tmp_path / "folder").mkdir()
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], line: str, code: int) -> str:
    """Run a command line; return its only sentence."""
    assert main(line.split()) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("llmsync: ")
    assert err.count("\n") == 1, "more than one sentence, or something was begun before"
    return err.removeprefix("llmsync: ").rstrip()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (f"{SEND} --payload 10", "--payload 10: 56 to 65000 bytes are possible"),
        (f"{SEND} --rate fast", "--rate fast: not a rate in bit/s (200M, 1G)"),
        (f"{SEND} --timeout 0", "--timeout 0: must be positive"),
        (f"{SEND} --key junk", "junk: not an unencrypted private key in PEM (name a file that does "
         "not exist, and one is made)"),
        (f"{SEND} --key no/new.key", "--key no/new.key: there is no folder no (name a file that "
         "can be written)"),
        (f"{SEND} --control-token no", "no: No such file or directory (the sender and its "
         "receivers share one: (umask 077; openssl rand -hex 32 > FILE))"),
        (f"{SEND} --receipt no/r.json", "--receipt no/r.json: there is no folder no (name a file "
         "that can be written)"),
        (f"{SEND} --receipt-junit folder", "--receipt-junit folder: is a folder (name a file that "
         "can be written)"),
        (f"{SEND} --audit-log folder", "--audit-log folder: is a folder (name a file that can be "
         "written)"),
        (f"{SEND} --group 10.0.0.1:9", "--group 10.0.0.1:9: not a multicast address "
         "(232.1.1.1:4401, [ff3e::1]:4401)"),
        (f"{SEND} --service 0.0.0.0:0", "--service 0.0.0.0:0: without TLS only on loopback (give "
         "--tls-cert and --tls-key, or say --insecure-http)"),
        (
            f"{SEND} --tokens junk --admit",
            "--tokens, --admit: of the service, which --service HOST:PORT starts",
        ),
        (f"{SEND} --service {HERE} --tokens junk", "junk:1: is not NAME [ROLES] PROOF (fra "
         "receiver sha256:...)"),
        (f"{SEND} --service {HERE} --region eu", "--region eu: not NAME=REGION"),
        ("send model --to fra=127.0.0.1", "--to 127.0.0.1: not HOST:PORT (192.0.2.1:4433, "
         "[2001:db8::1]:4433)"),
        (f"{RECEIVE} --listen {HERE} --receipt no/r.json", "--receipt no/r.json: there is no "
         "folder no (name a file that can be written)"),
        (f"{RECEIVE} --listen 127.0.0.1", "--listen 127.0.0.1: not HOST:PORT (192.0.2.1:4433, "
         "[2001:db8::1]:4433)"),
        (f"{RECEIVE} --listen {HERE} --trust junk", "junk: not a public key in PEM (the sender's "
         ".pub file)"),
        ("doctor --inventory no", "--inventory and --name go with --delivery NAME (name one, or "
         "leave out)"),
        ("sync versions --store no", "--store no: there is no such folder (that of a sync agent)"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused_at_once(
    capsys: pytest.CaptureFixture[str], folder: Path, line: str, sentence: str
) -> None:
    assert said(capsys, line, ExitCode.INVALID) == sentence
    assert not (folder / "new.key").exists(), "a key was made, though nothing was to be touched"


@pytest.fixture
def taken() -> Iterator[str]:
    """A port that somebody has, UDP and TCP."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        udp.bind(tcp.getsockname())
        yield "{}:{}".format(*tcp.getsockname())


def test_ports_in_use(capsys: pytest.CaptureFixture[str], taken: str) -> None:
    remedy = "cannot listen there: Address already in use (choose an address of this host and a"
    for line, place in (
        (f"send model --to fra=127.0.0.1:9 --control {taken}", taken),
        (f"{SEND} --service {taken}", f"--service {taken}"),
        (f"{RECEIVE} --listen {taken}", taken),
    ):
        assert said(capsys, line, ExitCode.INVALID) == f"{place}: {remedy} free port)"


def test_a_name_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    line = "send model --to fra=no.invalid:9"
    told = said(capsys, line, ExitCode.UNREACHABLE)
    assert told.startswith("--to no.invalid:9: cannot be resolved: ")
    assert "Errno" not in told
    assert told.endswith(" (check the name, or give an IP address)")


def test_usage_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for line, sentence in (
        ("send --to fra", "llmsync send: the following arguments are required: PATH"),
        ("send model --rate -5M", "llmsync send: argument --rate: expected one argument"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(line.split())
        assert ended.value.code == ExitCode.INVALID
        assert capsys.readouterr().err == f"{sentence} (see llmsync send --help)\n"


def test_a_fallback_that_does_not_serve_is_told_meanwhile(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    """The server has nothing, and ends nothing: the person hears of it all the same."""
    import threading
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory="folder")) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            code = main(f"receive --name fra --output out --fallback {url} --fallback-only "
                        "--timeout 0.5".split())  # fmt: skip
        finally:
            server.shutdown()
            serving.join()
    err = capsys.readouterr().err.splitlines()
    assert code == ExitCode.FINDINGS
    assert err[0].startswith("--fallback: manifest: ")
    assert err[0].endswith("it is tried again, ever more rarely)")
    assert sum(line.startswith("--fallback: ") for line in err) == 1, "told once"


def test_another_control_token_is_named(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """The receiver hears nothing; the sender does, and says what."""
    import threading

    for name in ("ours", "theirs"):
        (folder / name).write_text(name * 8)
        (folder / name).chmod(0o600)
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        port = udp.getsockname()[1]
    receiving = threading.Thread(
        target=main,
        args=(f"receive --name fra --listen {HERE} --sender 127.0.0.1:{port} --output out "
              "--timeout 2 --control-token theirs".split(),),
    )  # fmt: skip
    receiving.start()
    code = main(
        f"send model --to fra=127.0.0.1:9 --control 127.0.0.1:{port} --key k --timeout 1.5 "
        "--control-token ours --progress never".split()
    )
    receiving.join(30)
    assert code == ExitCode.UNREACHABLE
    err = capsys.readouterr().err
    assert "llmsync: --control-token: somebody has another one, or none (copy it again)\n" in err
    assert "is --control-token the same at both" in err
