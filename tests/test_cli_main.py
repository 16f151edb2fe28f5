"""The one entrance and the one exit of the command line."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.cli.main import COMMANDS, build_parser, main
from toolkit.errors import ExitCode

HEAVY = {
    "asyncssh", "cryptography", "jinja2", "lxml", "ncclient", "numpy", "oopt_gnpy_libyang",
    "pandas", "pyang", "pybatfish", "pydantic", "torch", "yaml",
}  # fmt: skip


def modules_after(*argv: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after `llmsync ARGV`."""
    script = (
        "import sys\nfrom toolkit.cli.main import main\n"
        f"try: main({list(argv)!r})\nexcept SystemExit: pass\n"
        "print('\\n'.join(sorted({m.split('.')[0] for m in sys.modules})), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


def test_help_loads_nothing_heavy() -> None:
    assert modules_after("--help") & HEAVY == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_loads_nothing_heavy(command: str) -> None:
    assert modules_after(command, "--help") & HEAVY == set()


def sub_commands(parser: argparse.ArgumentParser, words: tuple[str, ...]) -> Iterator[list[str]]:
    """Yield the words of a command and of every command below it."""
    yield [*words]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                yield from sub_commands(sub, (*words, name))


def lines() -> list[list[str]]:
    """Return every command line that can be asked for help."""
    found: list[list[str]] = [[]]
    for name in COMMANDS:
        found += [words for words in sub_commands(build_parser(name), ()) if words[:1] == [name]]
    return found


def test_commands_below_commands_are_among_those_that_are_asked_for_help() -> None:
    assert ["inventory", "schema"] in lines()
    assert ["yang", "lint"] in lines()


@pytest.mark.parametrize("words", lines(), ids=" ".join)
def test_every_help_has_an_example_and_the_exit_codes(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        build_parser(words[0] if words else None).parse_args([*words, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert " ".join(["llmsync", *words]) in text.split("xample", 1)[1]
    assert text.count("exit codes:") == 1
    assert "%%" not in text


def test_an_error_is_one_line_a_problem_and_no_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["plan", "does/not/exist"]) == ExitCode.INVALID
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("llmsync: does/not/exist")
    assert "Traceback" not in captured.err


def test_an_unknown_command_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as stop:
        main(["deliver"])
    assert stop.value.code == ExitCode.INVALID


def test_a_bug_is_called_one_and_shows_its_traceback_only_when_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr("toolkit.cli.loading.load_plan", fail)
    monkeypatch.setattr("toolkit.cli.cmd_plan.load_plan", fail, raising=False)
    assert main(["plan", "inventories/demo"]) == ExitCode.IN_DOUBT
    err = capsys.readouterr().err
    assert "internal error: RuntimeError: unforeseen" in err
    assert "Traceback" not in err
    main(["--traceback", "plan", "inventories/demo"])
    assert "Traceback" in capsys.readouterr().err


def test_with_json_a_failure_is_json_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "net.yaml").write_text("routers: {r1: {platfrom: reference}}\n")
    assert main(["plan", str(tmp_path), "-o", "json"]) == ExitCode.INVALID
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == ExitCode.INVALID
    assert any("platform" in p["what"] + p["remedy"] for p in document["problems"])
    assert {p["line"] for p in document["problems"]} >= {1}


def test_a_full_standard_output_is_no_bug() -> None:
    command = [sys.executable, "-m", "toolkit.cli", "plan", "demo"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == ExitCode.INVALID
    assert "standard output cannot be written: No space left on device" in done.stderr
    assert "bug" not in done.stderr
