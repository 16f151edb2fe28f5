"""examples/deploy: every command line is parsed by the command's own parser, units by systemd, and
manifests by the schemas of Kubernetes, as far as those are installed."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from toolkit.agent.engines.options import read_options
from toolkit.agent.settings import Settings, problems
from toolkit.cli.main import build_parser
from toolkit.cli.receive_options import read_settings

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "examples" / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
SPECIFIERS = {"%i": "llama", "%d": "/run/credentials/u", "%S": "/var/lib", "%t": "/run"}


def environment(name: str) -> dict[str, str]:
    """An EnvironmentFile of the examples, as systemd reads it."""
    lines = (DEPLOY / "systemd" / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def unit_command(unit: Path, instance: str, values: dict[str, str]) -> list[str]:
    (line,) = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
    for specifier, value in (SPECIFIERS | {"%i": instance}).items():
        line = line.replace(specifier, value)
    assert "%" not in line
    return [re.sub(r"\$\{(\w+)\}", lambda m: values[m[1]], word) for word in shlex.split(line)]


def pods(document: Any) -> Iterator[dict[str, Any]]:
    spec = document["spec"]["template"]["spec"]
    yield from spec.get("initContainers", [])
    yield from spec["containers"]


def checked(words: list[str]) -> Settings:
    """The settings of `llmsync receive ...`; files that are not here are not looked for."""
    assert words[0].endswith("llmsync")
    args = build_parser("receive").parse_args(words[1:])
    settings = read_settings(args)
    assert not problems(settings)
    return settings


# ----- systemd


def test_the_receiver_unit_is_a_command_that_parses(monkeypatch: pytest.MonkeyPatch) -> None:
    without_files(monkeypatch)
    unit = DEPLOY / "systemd" / "llmsync-receive@.service"
    settings = checked(unit_command(unit, "llama", environment("receive.env")))
    assert (settings.name, settings.join) == ("fra", "https://hub.example.net:4443")
    assert settings.output == Path("/var/lib/llmsync/llama")
    assert settings.window == 4 * 10**9
    assert (settings.agents, settings.window_mode) == (2, 0o660)
    # The agents of the other unit attach to the same socket.
    assert str(settings.share) == environment("agent.env")["WINDOW_OF"]


def test_the_agent_unit_is_a_command_that_parses() -> None:
    from test_examples_embeddings import example

    unit = DEPLOY / "systemd" / "llmsync-agent@.service"
    words = unit_command(unit, "1", environment("agent.env"))
    assert words[1].endswith("examples/embeddings.py")
    args = example().parse(words[2:])
    assert (args.name, args.gpu, args.http) == ("gpu1", "1", "127.0.0.1:8081")
    assert args.window_of == Path("/run/llmsync-llama/window")


@pytest.mark.interop
@pytest.mark.parametrize("unit", UNITS, ids=lambda u: u.stem)
def test_systemd_has_nothing_to_say(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed (systemd-analyze)")
    binaries = tmp_path / "bin"
    binaries.mkdir()
    for name in ("llmsync", "python"):
        (binaries / name).write_text("#!/bin/sh\n")
        (binaries / name).chmod(0o755)
    made = tmp_path / unit.name.replace("@", "@1")
    made.write_text(unit.read_text().replace("/opt/llmsync/bin", str(binaries)))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(made)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    secured = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=25", str(made)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert secured.returncode == 0, secured.stdout[-600:]


@pytest.mark.interop
def test_systemd_would_say_what_is_wrong(tmp_path: Path) -> None:
    """The check above can fail."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed (systemd-analyze)")
    made = tmp_path / "broken.service"
    made.write_text("[Service]\nExecStart=/bin/true\nRestrat=always\n")
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(made)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Restrat" in found.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda u: u.stem)
def test_units_go_on_after_a_failure_and_may_pin(unit: Path) -> None:
    text = unit.read_text()
    for line in (
        "Restart=on-failure", "RestartPreventExitStatus=2", "LimitMEMLOCK=infinity",
        "NoNewPrivileges=yes", "ProtectSystem=strict", "User=llmsync",
    ):  # fmt: skip
        assert f"\n{line}\n" in text


# ----- Kubernetes


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda m: m.stem)
@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_manifests_fit_the_schema_of_kubernetes(manifest: Path, version: str) -> None:
    if importlib.util.find_spec("kubernetes_validate") is None:
        pytest.skip("kubernetes-validate is not installed (extra `dev`)")
    import kubernetes_validate

    for document in yaml.safe_load_all(manifest.read_text()):
        kubernetes_validate.validate(document, version, strict=True)
        document["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(document, version, strict=True)


def test_the_receiver_pod_is_a_command_that_parses(monkeypatch: pytest.MonkeyPatch) -> None:
    without_files(monkeypatch)
    document = yaml.safe_load((DEPLOY / "kubernetes" / "receiver.yaml").read_text())
    receive, placed = pods(document)
    values = {e["name"]: e.get("value", "gpu-node-1") for e in receive["env"]}
    words = [
        re.sub(r"\$\((\w+)\)", lambda m: values[m[1]], word)
        for word in [*receive["command"], *receive["args"]]
    ]
    settings = checked(words)
    assert (settings.name, settings.output) == ("gpu-node-1", Path("/models/llama"))
    # What it names is mounted; the window and what it needs besides fit the limit.
    mounts = {m["mountPath"] for m in receive["volumeMounts"]}
    for path in (settings.output, settings.share, settings.token_file, settings.ca, settings.trust):
        assert any(Path(mount) in Path(str(path)).parents for mount in mounts), path
    limit = int(receive["resources"]["limits"]["memory"].removesuffix("Gi")) * 2**30
    assert settings.window + 2 * 2**30 <= limit
    port = receive["ports"][0]["containerPort"]
    annotations = document["spec"]["template"]["metadata"]["annotations"]
    assert str(settings.metrics).endswith(f":{port}")
    assert annotations["prometheus.io/port"] == str(port)
    # The pod is ready when the same model is there.
    assert values["MODEL"] == {e["name"]: e["value"] for e in placed["env"]}["MODEL"]
    assert "$MODEL/config.json" in placed["readinessProbe"]["exec"]["command"][-1]
    assert_mounted(document)


def test_the_serving_pod_attaches_to_the_receivers_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = yaml.safe_load((DEPLOY / "kubernetes" / "receiver.yaml").read_text())
    document = yaml.safe_load((DEPLOY / "kubernetes" / "serving.yaml").read_text())
    (vllm,) = pods(document)
    values = {e["name"]: e["value"] for e in vllm["env"]}
    script = vllm["args"][0]
    assert set(re.findall(r"\$(\w+)", script)) == {"MODEL", "FIRST", "RANKS"}
    assert subprocess.run(["sh", "-n", "-c", script], check=False).returncode == 0
    share = next(a for a in next(pods(receiver))["args"] if a.startswith("--share="))
    for name, rank in (("FIRST", 0), ("RANKS", 0), ("RANKS", 1)):
        options = read_options(json.loads(values[name]), {}, rank=rank, device=f"cuda:{rank}")
        assert not problems(options.settings)
        assert f"--share={options.settings.window_of}" == share
    host_paths = [
        {v["hostPath"]["path"] for v in d["spec"]["template"]["spec"]["volumes"] if "hostPath" in v}
        for d in (receiver, document)
    ]
    assert host_paths[0] == host_paths[1]
    world = int(re.findall(r"--tensor-parallel-size (\d+)", script)[0])
    assert vllm["resources"]["limits"]["nvidia.com/gpu"] == world
    assert_mounted(document)


def assert_mounted(document: Any) -> None:
    volumes = {v["name"] for v in document["spec"]["template"]["spec"]["volumes"]}
    mounted = {m["name"] for c in pods(document) for m in c["volumeMounts"]}
    assert volumes == mounted
    for container in pods(document):
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]


def without_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths in the examples are those of another host."""
    monkeypatch.setattr("toolkit.cli.receive_options.check_files", lambda args: None)
