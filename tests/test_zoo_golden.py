"""Cernet and Geant2012 over every transport: plan, configurations, verification, as written down.

LLMSYNC_UPDATE_GOLDEN=1 rewrites tests/golden/zoo.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest
from topologies import zoo

from toolkit.cli.loading import load_plan
from toolkit.cli.main import main
from toolkit.errors import ExitCode
from toolkit.inventory.model import Transport
from toolkit.plan.configured import configured_state
from toolkit.plan.intended import intended_state
from toolkit.render.payload import render_plan
from toolkit.state.model import Source

GOLDEN = Path(__file__).parent / "golden" / "zoo"


@pytest.fixture(scope="module", params=["Cernet", "Geant2012"])
def imported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an imported network, named like its file."""
    folder = tmp_path_factory.mktemp("zoo") / str(request.param)
    arguments = ["inventory", "import", "gml", str(zoo(request.param)), "--output", str(folder)]
    assert main(arguments) == ExitCode.OK
    return folder


def golden(file: Path, text: str) -> None:
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("transport", list(Transport))
def test_plan_configurations_and_verification_are_as_written_down(
    imported: Path,
    transport: Transport,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(imported.parent)  # places in findings are relative
    expected = GOLDEN / imported.name
    options = ["--transport", transport.value]
    assert main(["plan", imported.name, *options]) == ExitCode.OK
    golden(expected / f"{transport}.plan.txt", capsys.readouterr().out)
    assert main(["verify", imported.name, *options]) == ExitCode.OK
    golden(expected / f"{transport}.verify.txt", capsys.readouterr().out)
    _, plan, _ = load_plan(Path(imported.name), transport.value)
    payloads = render_plan(plan)
    (flow,) = plan.flows
    leaf = plan.hosts[flow.clouds[0]].router
    golden(expected / f"{transport}.source.xml", payloads[flow.bfir].xml + "\n")
    golden(expected / f"{transport}.cloud.xml", payloads[leaf].xml + "\n")
    digests = {name: sha256(p.xml.encode()).hexdigest()[:16] for name, p in payloads.items()}
    golden(
        expected / f"{transport}.digests.txt",
        "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items())),
    )


@pytest.mark.parametrize("transport", list(Transport))
def test_what_is_planned_is_what_the_configurations_say(
    imported: Path, transport: Transport
) -> None:
    _, plan, _ = load_plan(imported, transport.value)
    trees = {name: payload.tree for name, payload in render_plan(plan).items()}
    read = configured_state(plan, trees, Source.PLAN)
    assert read == intended_state(plan)
