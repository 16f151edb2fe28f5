"""A controller in a process of its own, which can be killed with SIGKILL at a line of its journal.

`python kill_controller.py` reads one command a line (JSON: argv, out, line, recorded), runs
`llmsync` with it in a forked process, and answers with that process's exit status.  Forked, since
what takes longest is to import; a process, since nothing outlives SIGKILL.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn


def mortal(line: int, *, recorded: bool) -> None:
    """Die before (or after) a line of the journal is on the disk; the header is line 0."""
    from toolkit.netconf import journal

    append, count = journal._append, 0

    def counted(file: int, data: bytes) -> None:
        nonlocal count
        last = count == line
        count += 1
        if last and not recorded:
            os.kill(os.getpid(), signal.SIGKILL)
        append(file, data)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)

    journal._append = counted


def child(command: dict[str, Any]) -> NoReturn:
    """Be `llmsync`."""
    from toolkit.cli.main import main

    for number, name in ((1, "out"), (2, "err")):
        file = os.open(f"{command['out']}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, number)
    try:
        if command.get("line") is not None:
            mortal(command["line"], recorded=command["recorded"])
        if command.get("file_limit") is not None:
            import resource

            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (command["file_limit"],) * 2)
        code = main(command["argv"])
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException as error:  # noqa: BLE001 - a child must never come back
        Path(f"{command['out']}.raised").write_text(repr(error))
        code = 99
    os._exit(code)


def serve() -> None:
    """Run commands until there are no more."""
    import ncclient.transport  # noqa: F401 - before the fork
    import paramiko  # noqa: F401

    from toolkit.yang.schema import reference_schema

    reference_schema()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            child(json.loads(line))
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
