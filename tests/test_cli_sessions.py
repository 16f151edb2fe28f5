"""`send --service`, `receive --join`, `sessions` and `receipt` as commands, on loopback."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from service_site import Authority

from toolkit.cli.main import main
from toolkit.errors import ExitCode


class Site:
    """Folders, tokens and ports of one try."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = folder / "model"
        self.model.mkdir()
        (self.model / "config.json").write_bytes(b"{}")
        (self.model / "w.bin").write_bytes(bytes(range(256)) * 4000)
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            udp.bind(("127.0.0.1", 0))
            self.port, self.control = tcp.getsockname()[1], udp.getsockname()[1]
        self.authority = Authority(folder)
        self.certificate, self.key = self.authority.issue("service", "127.0.0.1")
        self.codes: dict[str, int] = {}
        for name, role in (("fra", "receiver"), ("lon", "receiver"), ("ops", "operator"),
                           ("eye", "reader")):  # fmt: skip
            assert main(["sessions", "token", name, "--role", role, "--tokens", self.at("tokens"),
                         "--token-file", self.at(f"{name}.token")]) == 0  # fmt: skip

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def at(self, name: str) -> str:
        return str(self.folder / name)

    def send(self, *more: str) -> list[str]:
        return [
            "send", str(self.model), "--control", f"127.0.0.1:{self.control}", "--key",
            self.at("key"), "--service", f"127.0.0.1:{self.port}", "--tokens", self.at("tokens"),
            "--tls-cert", str(self.certificate), "--tls-key", str(self.key), *more,
        ]  # fmt: skip

    def who(self, name: str) -> list[str]:
        return ["--token-file", self.at(f"{name}.token"), "--ca", str(self.authority.file)]

    def receive(self, name: str, *more: str) -> list[str]:
        return [
            "receive", "--name", name, "--join", self.url, "--output", self.at(f"{name}-files"),
            *self.who(name), *more,
        ]  # fmt: skip

    @contextmanager
    def beside(self, *commands: list[str]) -> Iterator[None]:
        """Run commands in threads meanwhile."""

        def run(command: list[str]) -> None:
            self.codes[command[command.index("--name") + 1]] = main(command)

        threads = [threading.Thread(target=run, args=(c,)) for c in commands]
        for thread in threads:
            thread.start()
        yield
        for thread in threads:
            thread.join(40)
            assert not thread.is_alive()

    @contextmanager
    def sending(self, *more: str) -> Iterator[subprocess.Popen[str]]:
        """Run a sender as a process; when it is entered, its service answers."""
        command = [sys.executable, "-m", "toolkit.cli", *self.send(*more)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            end = time.monotonic() + 30
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                        break
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < end
                time.sleep(0.05)
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            process.communicate(timeout=20)

    def ask(self, *words: str, who: str = "ops") -> list[str]:
        return ["sessions", *words, "--service", self.url, *self.who(who)]


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    found = Site(tmp_path)
    capsys.readouterr()
    return found


def only(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return found


def test_join_learns_everything_and_receipts_prove_it(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--receipt", site.at("r.json"), "--receipt-junit", site.at("r.xml")]
    with site.sending("--to", "fra", "--to", "lon", "--loss", "1%", *more) as process:
        own = ["--receipt", site.at("own.json"), "--receipt-key", site.at("own.key")]
        with site.beside(site.receive("fra", *own), site.receive("lon", "--feedback", "websocket")):
            _out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert site.codes == {"fra": 0, "lon": 0}
    for name in ("fra", "lon"):
        got = site.folder / f"{name}-files"
        assert (got / "w.bin").read_bytes() == (site.model / "w.bin").read_bytes()
    assert f"service: {site.url}/" in err
    assert "don" not in err, "nothing of aiohttp's"
    said = capsys.readouterr().err
    assert "which is trusted" in said, "the key came with the join"

    verify = ["receipt", "verify", site.at("r.json"), "--trust", site.at("key.pub")]
    assert main(verify) == ExitCode.OK
    assert main(["receipt", "verify", site.at("r.json.sig"), *verify[3:]]) == ExitCode.OK
    own_verify = ["receipt", "verify", site.at("own.json"), "--trust", site.at("own.key.pub")]
    assert main(own_verify) == ExitCode.OK
    assert main([*verify[:3], "--trust", site.at("own.key.pub")]) == ExitCode.FINDINGS
    text = Path(site.at("r.json")).read_text()
    document = json.loads(text)
    assert [r["complete"] for r in document["receipt"]] == [True, True]
    assert document["manifest"]["bytes"] == 1_024_002
    assert 'failures="0"' in Path(site.at("r.xml")).read_text()
    Path(site.at("r.json")).write_text(text.replace("1024002", "1024003"))
    capsys.readouterr()
    assert main(verify) == ExitCode.FINDINGS
    assert "it was changed afterwards" in capsys.readouterr().err


def test_a_sealed_and_authentic_session_is_joined_without_any_key(site: Site) -> None:
    Path(site.at("secret")).write_text("5a" * 32 + "\n")
    Path(site.at("secret")).chmod(0o600)
    more = ["--seal-key", site.at("seal.key"), "--control-token", site.at("secret")]
    with site.sending("--to", "fra", "--to", "lon", *more, "--audit-log", site.at("audit")) as sent:
        with site.beside(site.receive("fra"), site.receive("lon", "--feedback", "websocket")):
            _, err = sent.communicate(timeout=60)
        assert sent.returncode == 0, err
    assert site.codes == {"fra": 0, "lon": 0}
    for name in ("fra", "lon"):
        got = site.folder / f"{name}-files" / "w.bin"
        assert got.read_bytes() == (site.model / "w.bin").read_bytes()
    lines = [json.loads(line) for line in Path(site.at("audit")).read_text().splitlines()]
    told = {(r["event"], r["who"]) for r in lines}
    assert {(event, who) for event in ("join", "complete") for who in ("fra", "lon")} <= told
    secrets = [Path(site.at(n)).read_text().strip() for n in ("fra.token", "secret")]
    assert not any(s in Path(site.at("audit")).read_text() + err for s in secrets)


def test_sessions_are_listed_shown_evicted_from_and_aborted(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    receipt = ["--receipt", site.at("r.json"), "--region", "fra=eu"]
    with site.sending("--to", "fra", "--to", "lon", "--rate", "100k", *receipt) as process:
        assert main(site.ask("list", "-o", "json", who="eye")) == 0
        (session,) = only(capsys)
        name = str(session["id"])
        with site.beside(site.receive("fra")):
            while main(site.ask("show", "-o", "json")) == 0:
                receivers = json.loads(capsys.readouterr().out)["receivers"]
                if receivers[0]["standing"] == "ready":
                    break
                time.sleep(0.05)
            assert receivers[0]["region"] == "eu"
            assert main(site.ask("show", name)) == 0
            assert "fra" in capsys.readouterr().out
            assert main(site.ask("evict", name, "fra", who="eye")) == ExitCode.INVALID
            assert main(site.ask("evict", name, "fra", "--reason", "disk")) == 0
        assert site.codes["fra"] != 0
        assert main(site.ask("evict", name, "fra")) == ExitCode.INVALID
        assert main(site.ask("abort", "00000000")) == ExitCode.INVALID
        assert "no such session" in capsys.readouterr().err
        assert main(site.ask("abort", name, "--reason", "wrong model")) == 0
        _, err = process.communicate(timeout=20)
        assert process.returncode == ExitCode.ROLLED_BACK
        assert "llmsync: wrong model" in err
    verify = ["receipt", "verify", site.at("r.json"), "--trust", site.at("key.pub")]
    assert main(verify) == ExitCode.FINDINGS
    said = capsys.readouterr().err
    assert "fra: failed: evicted: disk" in said
    assert not Path(site.at("fra-files")).exists()


def test_a_receiver_that_may_not_join_is_told_why(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    with site.sending("--to", "fra"):
        assert main(site.receive("lon")) == ExitCode.INVALID
        assert "not a receiver of this session" in capsys.readouterr().err
        wrong = [*site.receive("lon")]
        wrong[wrong.index("--token-file") + 1] = site.at("fra.token")
        assert main(wrong) == ExitCode.INVALID
        assert "fra may not speak for lon" in capsys.readouterr().err
        no_ca = [w for w in site.receive("fra") if w not in ("--ca", str(site.authority.file))]
        assert main(no_ca) == ExitCode.UNREACHABLE
        assert "--ca" in capsys.readouterr().err
    assert main(site.receive("fra", "--timeout", "0.1")) == ExitCode.UNREACHABLE
    assert "is the service running there" in capsys.readouterr().err


def test_a_receiver_may_be_there_first(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    with site.beside(site.receive("fra")):
        said = ""
        while "waiting: " not in said:
            said += capsys.readouterr().err
        with site.sending("--to", "fra") as process:
            _, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
    assert site.codes == {"fra": 0}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--output", "x"], "--listen and --sender missing"),
        (["--output", "x", "--join", "https://h:1", "--sender", "a"], "--sender: --join learns"),
        (["--output", "x", "--listen", "a:1", "--sender", "b", "--feedback", "websocket"],
         "go with --join"),
        (["--output", "x", "--join", "h:1"], "not the address of a service"),
    ],
)  # fmt: skip
def test_usage_of_join(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["receive", "--name", "fra", *words]) == ExitCode.INVALID
    assert said in capsys.readouterr().err


def test_tokens_are_made_once_for_a_name(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    lines = Path(site.at("tokens")).read_text().splitlines()
    token = Path(site.at("fra.token"))
    assert [line.split()[:2] for line in lines][:1] == [["fra", "receiver"]]
    assert token.stat().st_mode & 0o777 == 0o600
    assert token.read_text().strip() not in Path(site.at("tokens")).read_text()
    again = ["sessions", "token", "fra", "--tokens", site.at("tokens"), "--token-file",
             site.at("new")]  # fmt: skip
    assert main(again) == ExitCode.INVALID
    assert not Path(site.at("new")).exists()
    assert main([*again[:2], "ams", *again[3:-1], site.at("fra.token")]) == ExitCode.INVALID
    assert main([*again[:2], "Bad Name!", *again[3:]]) == ExitCode.INVALID
    assert Path(site.at("tokens")).read_text().splitlines() == lines
    assert token.read_text().strip() not in capsys.readouterr().err


def test_help_needs_no_web_server() -> None:
    code = (
        "import sys; from toolkit.cli.main import build_parser\n"
        "for c in (None, 'send', 'receive', 'sessions', 'receipt'): build_parser(c).format_help()\n"
        "bad = {'aiohttp', 'asyncio', 'pydantic', 'cryptography'} & set(sys.modules)\n"
        "sys.exit(f'imported: {bad}' if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
