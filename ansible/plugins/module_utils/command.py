"""The command llmsync, asked by modules: arguments in, documents and exit codes out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

OK, FINDINGS, INVALID, PENDING, UNREACHABLE, ROLLED_BACK, IN_DOUBT = range(7)
"""Exit codes of llmsync."""

MEANING = {
    FINDINGS: "findings",
    INVALID: "invalid input",
    UNREACHABLE: "a device or peer cannot be reached",
    ROLLED_BACK: "it failed, and everything is as before",
    IN_DOUBT: "in doubt: an operator must look (llmsync status)",
}

COMMON = {"executable": {"type": "path"}}
INVENTORY = {
    "inventory": {"type": "path", "required": True},
    "transport": {"type": "str", "choices": ["bier", "sr-p2mp", "pim-ssm", "pim-sm"]},
}


class Answer:
    """What llmsync said."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def words(self) -> list[str]:
        """Lines for people, from standard error."""
        return [line.removeprefix("llmsync: ") for line in self.err.splitlines() if line.strip()]

    def document(self) -> Any:
        """Return standard output as JSON; None where there is none."""
        try:
            return json.loads(self.out) if self.out.strip() else None
        except ValueError:
            return None


def find(executable: str | None) -> str:
    """Return the path of llmsync.  Raises FileNotFoundError."""
    beside = os.path.join(os.path.dirname(sys.executable), "llmsync")
    found = executable or (beside if os.access(beside, os.X_OK) else shutil.which("llmsync"))
    if found is None or not os.access(found, os.X_OK):
        raise FileNotFoundError(
            f"the command {executable or 'llmsync'} is not here: "
            "pip install llmsync beside Ansible, or name it with the option executable"
        )
    return found


def ask(executable: str, arguments: Sequence[str], env: dict[str, str] | None = None) -> Answer:
    """Run llmsync and return what it said."""
    done = subprocess.run(
        [executable, *arguments], check=False, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})},
    )  # fmt: skip
    return Answer(done.returncode, done.stdout, done.stderr)


def fail(module: Any, answer: Answer, **facts: Any) -> None:
    """End the task with what llmsync said, and what its exit code means."""
    meaning = MEANING.get(answer.code, f"exit code {answer.code}")
    module.fail_json(
        msg=f"{meaning}: " + "; ".join(answer.words[-20:] or ["llmsync said nothing"]),
        rc=answer.code,
        stdout=answer.out,
        stderr=answer.err,
        **facts,
    )


def program(module: Any) -> str:
    """Return the path of llmsync, or end the task."""
    try:
        return find(module.params["executable"])
    except FileNotFoundError as error:
        module.fail_json(msg=str(error))
        raise


def flags(module: Any, **names: str) -> list[str]:
    """Return `--flag value` for each option of the task that is set."""
    found: list[str] = []
    for option, flag in names.items():
        value = module.params[option]
        if value not in (None, "", []):
            found += [flag, ",".join(map(str, value)) if isinstance(value, list) else str(value)]
    return found
