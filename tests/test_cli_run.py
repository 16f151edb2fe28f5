"""`llmsync run`: the main job, as a user calls it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from toolkit.cli.main import main
from toolkit.delivery.source import FileSource
from toolkit.errors import ExitCode
from toolkit.lab.model import generate
from toolkit.yang.schema import reference_schema

DEMO = Path(__file__).parent.parent / "inventories" / "demo"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("model"), layers=1, vocabulary=512)


def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, *argv: str) -> tuple[int, str, str]:
    code = main(["run", str(DEMO), "--output", str(tmp_path / "out"), *argv])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def report(tmp_path: Path) -> dict[str, object]:
    document: dict[str, object] = json.loads((tmp_path / "out" / "report.json").read_text())
    return document


def test_the_demonstration_is_complete_identical_and_exits_0(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path
) -> None:
    code, out, err = run(capsys, tmp_path, "--model", str(model), "--loss", "1%")
    assert code == ExitCode.OK, err
    assert "6 of 6 GPU clouds have it, byte for byte" in out
    assert "pushed over NETCONF to 12 routers in one transaction: committed" in err
    assert report(tmp_path)["verdict"] == "delivered"
    page = (tmp_path / "out" / "report.html").read_text()
    assert "cloud-madrid" in page
    assert not [p for p in (tmp_path / "out").iterdir() if p.name.startswith(".")], "left behind"


def test_all_transports_side_by_side_in_one_network_deliver(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path
) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(DEMO, mixed, ignore=shutil.ignore_patterns("*.json"))
    extra = "".join(
        f"  over-{name}: {{model: demo, from: hub, to: all, transport: {name}}}\n"
        for name in ("sr-p2mp", "pim-ssm", "pim-sm")
    )
    file = mixed / "deliveries.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("\npolicies:", f"{extra}\npolicies:"), encoding="utf-8")
    out = tmp_path / "out"
    code = main(["run", str(mixed), "--model", str(model), "--output", str(out)])
    err = capsys.readouterr().err
    assert code == ExitCode.OK, err
    for transport in ("bier", "sr-p2mp", "pim-ssm", "pim-sm"):
        assert f"over {transport} to 6 of 6 clouds" in err


@pytest.mark.parametrize("transport", ["pim-ssm", "pim-sm"])
def test_the_demonstration_over_pim_is_complete_and_its_tables_are_read_back(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path, transport: str
) -> None:
    options = ("--model", str(model), "--loss", "1%", "--transport", transport)
    code, out, err = run(capsys, tmp_path, *options)
    assert code == ExitCode.OK, err
    assert f"over {transport}" in out
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Multicast rows" in page
    assert "BIFT rows" not in page
    checks = report(tmp_path)["checks"]
    assert isinstance(checks, list)
    (back,) = [check for check in checks if check["id"] == "state-read-back"]
    assert back["status"] == "passed"
    assert " 0 rows" not in back["reason"]


def test_a_pim_payload_broken_by_hand_cuts_its_cloud_off_and_verification_says_so_first(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path
) -> None:
    folder = tmp_path / "payloads"
    options = ("--transport", "pim-ssm")
    assert main(["render", str(DEMO), "-o", str(folder), *options]) == ExitCode.OK
    file = folder / "waw1.xml"
    text = file.read_text()
    assert "<version>3</version>" in text
    file.write_text(text.replace("<version>3</version>", "<version>2</version>"))
    code, out, err = run(
        capsys, tmp_path, "--model", str(model), "--payloads", str(folder), *options
    )
    assert code == ExitCode.FINDINGS
    assert "5 of 6" in out
    assert "membership-version: IGMPv2 on waw1 host-cloud-warsaw cannot name a source" in err
    assert err.index("membership-version") < err.index("delivered")


def test_a_pair_of_links_that_cuts_a_cloud_off_exits_1_names_it_and_serves_the_others(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path
) -> None:
    code, out, err = run(capsys, tmp_path, "--model", str(model), "--break", "lon1-mad1,mad1-par1")
    assert code == ExitCode.FINDINGS
    assert "5 of 6" in out
    assert "cloud-lost: cloud-madrid loses minilm" in err, "verification has to say so first"
    assert err.index("cloud-lost") < err.index("delivered")


def test_a_payload_broken_by_hand_cuts_its_cloud_off_and_verification_says_so_first(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path
) -> None:
    folder = tmp_path / "payloads"
    assert main(["render", str(DEMO), "-o", str(folder)]) == ExitCode.OK
    file = folder / "waw1.xml"
    text = file.read_text()
    assert "<bfr-id>6</bfr-id>" in text
    file.write_text(text.replace("<bfr-id>6</bfr-id>", "<bfr-id>60</bfr-id>"))
    code, out, err = run(capsys, tmp_path, "--model", str(model), "--payloads", str(folder))
    assert code == ExitCode.FINDINGS
    assert "5 of 6" in out
    assert err.index("cloud-warsaw") < err.index("pushed over NETCONF")


def test_a_payload_that_breaks_the_schema_is_refused_before_anything_is_sent(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path
) -> None:
    folder = tmp_path / "payloads"
    main(["render", str(DEMO), "-o", str(folder)])
    file = folder / "waw1.xml"
    file.write_text(file.read_text().replace("<bfr-id>6</bfr-id>", "<bfr-id>70000</bfr-id>"))
    capsys.readouterr()
    code, _, err = run(capsys, tmp_path, "--model", str(model), "--payloads", str(folder))
    assert code == ExitCode.INVALID
    assert "waw1" in err
    assert "/llmsync-bier:bier/sub-domain[id='0']/bfr-id" in err
    assert "pushed" not in err


def test_a_late_and_a_killed_and_restarted_receiver_finish_and_cost_the_others_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path
) -> None:
    late = ("--model", str(model), "--late", "cloud-miami=1.4", "-o", "json")

    def clouds(*argv: str) -> dict[str, dict[str, float]]:
        code, out, _ = run(capsys, tmp_path, *late, *argv)
        assert code == ExitCode.OK
        return {c["cloud"]: c for c in json.loads(out)["deliveries"][0]["clouds"]}

    usual = clouds()["cloud-warsaw"]
    middle = (usual["first_byte"] + usual["verified"]) / 2
    after = clouds("--kill", f"cloud-warsaw={middle}:{middle + 1}")
    assert after["cloud-warsaw"]["first_byte"] < middle, "it was killed before it had anything"
    assert after["cloud-warsaw"]["verified"] > middle + 1
    assert after["cloud-miami"]["joined"] == 1.4
    others = [c for c in after.values() if c["cloud"] not in ("cloud-miami", "cloud-warsaw")]
    assert [c["duplicates"] for c in others] == [0] * 4
    assert max(c["verified"] for c in others) < 1.4, "they waited for the late or the killed one"


def test_wrong_arguments_are_all_named_at_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, err = run(
        capsys, tmp_path, "--late", "cloud-mimai=1", "--kill", "cloud-warsaw=x", "--loss", "150%",
        "--break", "lon1-mad2",
    )  # fmt: skip
    assert code == ExitCode.INVALID
    assert "did you mean cloud-miami?" in err
    assert "'x' is not a number of seconds" in err
    assert "'150%' is not a share" in err
    assert "lon1-mad2" in err


def test_an_unknown_link_is_refused_with_the_nearest_name(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, err = run(capsys, tmp_path, "--break", "lon1-mad2")
    assert code == ExitCode.INVALID
    assert "lon1-mad1" in err


def test_a_model_that_does_not_exist_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, err = run(capsys, tmp_path, "--model", "no/such/file")
    assert code == ExitCode.INVALID
    assert "no/such/file" in err


def test_a_source_that_changes_while_it_is_sent_ends_with_nothing_placed(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copy = tmp_path / "model.safetensors"
    shutil.copy(model, copy)
    read_into = FileSource.read_into

    def change_then_read(self: FileSource, file: int, block: int, buffer: memoryview) -> None:
        if block == 3:
            with copy.open("r+b") as stream:
                stream.seek(-8, 2)
                stream.write(b"changed!")
                stream.seek(3 * 1024 * 1024)
                stream.write(b"changed!")
        read_into(self, file, block, buffer)

    monkeypatch.setattr(FileSource, "read_into", change_then_read)
    code, out, _ = run(capsys, tmp_path, "--model", str(copy), "--keep")
    assert code == ExitCode.ROLLED_BACK
    assert "changed while it was being sent" in out
    placed = tmp_path / "out" / "clouds" / "minilm"
    assert [p for p in placed.iterdir() if not p.name.startswith(".")] == []


def test_the_json_report_is_also_on_standard_output(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path
) -> None:
    _, out, _ = run(capsys, tmp_path, "--model", str(model), "-o", "json")
    assert json.loads(out) == report(tmp_path)


def test_receipts_are_written_and_fit_the_yang_module(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path
) -> None:
    run(capsys, tmp_path, "--model", str(model))
    rows = json.loads((tmp_path / "out" / "receipts-minilm.json").read_text())
    session = {
        "name": "minilm", "tsi": 1, "source": "10.1.0.2", "group": "232.1.0.1", "role": "egress",
        "receipt": list(rows.values()),
    }  # fmt: skip
    tree = {"llmsync-delivery:deliveries": {"session": [session]}}
    assert len(rows) == 6
    assert reference_schema().parse_json(tree, "lon1", state=True)
