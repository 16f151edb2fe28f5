"""`llmsync render`: what is printed, what is written, and that nothing is half-written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from toolkit.cli.main import main
from toolkit.datafiles import data_folder
from toolkit.errors import EnvironmentProblem, ExitCode
from toolkit.render import folder
from toolkit.render.folder import write_files
from toolkit.render.payload import load_payloads

DEMO = str(data_folder("inventories") / "demo")


def test_one_file_for_each_router(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "payloads"
    assert main(["render", DEMO, "-o", str(out)]) == ExitCode.OK
    assert len(load_payloads(out)) == 12
    assert len(list(out.iterdir())) == 12
    assert capsys.readouterr() == ("", f"llmsync: {out}: 12 payloads, every one valid\n")


def test_json_files_hold_the_rfc_7951_tree(tmp_path: Path) -> None:
    assert main(["render", DEMO, "-o", str(tmp_path), "--format", "json"]) == ExitCode.OK
    tree = json.loads((tmp_path / "dal1.json").read_text())
    assert tree["llmsync-isis:isis"]["hostname"] == "dal1"
    assert "llmsync-bier:bier" not in tree


def test_standard_output_is_one_document_where_one_router_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["render", DEMO, "--router", "dal1"]) == ExitCode.OK
    assert capsys.readouterr().out.startswith("<config xmlns=")
    assert main(["render", DEMO]) == ExitCode.OK
    assert capsys.readouterr().out.startswith("<!-- ams1 -->\n<config xmlns=")
    assert main(["render", DEMO, "--format", "json"]) == ExitCode.OK
    assert len(json.loads(capsys.readouterr().out)) == 12


def test_an_unknown_router_is_named_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["render", DEMO, "--router", "xyz"]) == ExitCode.INVALID
    assert capsys.readouterr().err.startswith("llmsync: no router xyz in ")


def test_a_folder_that_cannot_be_made_is_an_error_and_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["render", DEMO, "-o", str(tmp_path / "file" / "out")]) == ExitCode.INVALID
    assert "cannot be written: Not a directory" in capsys.readouterr().err


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, {"a.xml": "old a", "b.xml": "old b"})
    real = Path.write_text

    def full(file: Path, text: str, encoding: str) -> int:
        if file.name == "b.xml":
            raise OSError(28, "No space left on device", str(file))
        return real(file, text, encoding)

    monkeypatch.setattr(folder.Path, "write_text", full)
    with pytest.raises(EnvironmentProblem, match="cannot be written: No space left on device"):
        write_files(tmp_path, {"a.xml": "new a", "b.xml": "new b"})
    assert {f.name: f.read_text() for f in tmp_path.iterdir()} == {
        "a.xml": "old a",
        "b.xml": "old b",
    }


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("json", "--format json"), ("xml", "--format xml"), ("table", "table is no format of render")],
)
def test_the_name_of_a_format_is_no_folder_unless_there_is_one(
    name: str,
    remedy: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["render", DEMO, "-o", name]) == ExitCode.INVALID
    captured = capsys.readouterr()
    assert captured.err.startswith(f"llmsync: -o {name}: ")
    assert remedy in captured.err
    assert (captured.out, list(tmp_path.iterdir())) == ("", [])
    (tmp_path / name).mkdir()
    assert main(["render", DEMO, "-o", name]) == ExitCode.OK
    assert len(list((tmp_path / name).iterdir())) == 12
