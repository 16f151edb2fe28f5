"""The command line's one entrance and one exit.

Heavy modules are imported by the command that needs them, so that `llmsync --help` answers at once.
A command is a module with `configure(parser)` and `run(args) -> int`; its line in `COMMANDS` is all
that this file knows of it.
"""

from __future__ import annotations

import argparse
import errno
import gc
import importlib
import json
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from toolkit import __version__
from toolkit.errors import ExitCode, ProblemsError, ToolkitError

COMMANDS: dict[str, str] = {
    "inventory": "Check, import or draw an inventory; print its JSON Schema",
    "platforms": "Show what each router platform can be configured to do",
    "plan": "Plan the multicast network that an inventory asks for",
    "render": "Write each router's configuration, checked against its YANG schema",
    "yang": "Show and lint YANG modules, list those of platforms, fetch those of a device",
    "device": "Run NETCONF routers: embedded ones, or one that is FRRouting",
    "diff": "What a push would change on each router",
    "push": "Bring all routers to the plan in one network-wide transaction",
    "status": "The pushes that are remembered, and which have not ended",
    "resume": "Finish a push that was killed or is in doubt",
    "abort": "Undo a push that was killed or is in doubt",
    "rollback": "Undo a push that has ended well",
    "verify": "Check that every GPU cloud is served exactly once, also when links fail",
    "run": "The whole loop in the memory lab: plan, push, verify, deliver, report",
    "bier": "The BIER data plane by hand: conformance vectors, packets, live networks, a forwarder",
    "compare": "PIM, SR-P2MP and BIER side by side on your network: state, events, traffic",
    "send": "Send a model over UDP",
    "receive": "Receive a model over UDP",
    "doctor": "What this host lacks for a delivery, and which receivers are reached, and how",
    "sync": "Keep models the same in many clouds: versions, deltas, switches, rollbacks",
    "sessions": "See and steer the deliveries of a sender that runs with --service",
    "receipt": "Show who holds what, and prove who says so",
}
"""Command name -> one line of help.  The module is toolkit.cli.cmd_<name>."""

EXIT_CODES = """\
exit codes:
  0  fine, or nothing to change          4  a device or peer cannot be reached
  1  findings, or a delivery incomplete  5  failed, and everything is as before
  2  usage or invalid input              6  in doubt: an operator must look
  3  changes pending (--check)         130  interrupted
"""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without all that could be said instead."""

    def error(self, message: str) -> NoReturn:
        self.exit(ExitCode.INVALID, f"{self.prog}: {message} (see {self.prog} --help)\n")


def build_parser(command: str | None) -> argparse.ArgumentParser:
    """Return the parser with all commands by name and only `command` configured in full."""
    parser = _Parser(
        prog="llmsync",
        description="Deliver a large language model to many GPU clouds at once, over multicast.",
        epilog="example: llmsync run inventories/demo --loss 1%\n\n" + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"llmsync {__version__}")
    parser.add_argument("--traceback", action="store_true", help="show where an error was raised")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, line in COMMANDS.items():
        sub = commands.add_parser(
            name,
            help=line,
            description=line + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == command:
            module = importlib.import_module(f"toolkit.cli.cmd_{name}")
            module.configure(sub)
            _tell_exit_codes(sub)
            sub.set_defaults(run=module.run)
    return parser


def _tell_exit_codes(parser: argparse.ArgumentParser) -> None:
    """Put the exit codes below the examples of `parser` and of all its sub-commands."""
    parser.epilog = f"{parser.epilog or ''}\n\n{EXIT_CODES}"
    # argparse offers its sub-parsers in no other way.
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                _tell_exit_codes(sub)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; no traceback reaches a user."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = next((a for a in arguments if a in COMMANDS), None)
    args = build_parser(command).parse_args(arguments)
    try:
        code = int(args.run(args))
        sys.stdout.flush()
        return code
    except ToolkitError as error:
        if args.traceback:
            traceback.print_exc()
        for line in str(error).splitlines():
            print(f"llmsync: {line}", file=sys.stderr)
        if getattr(args, "format", "") == "json":
            print(json.dumps(_error_document(error), indent=2, ensure_ascii=False))
        return int(error.exit_code)
    except KeyboardInterrupt:
        print("llmsync: interrupted", file=sys.stderr)
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone (`llmsync plan | head`): not our error, nothing to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.OK)
    except OSError as error:
        if error.filename is not None or error.errno not in (errno.ENOSPC, errno.EIO, errno.EBADF):
            return _bug(error, shown=args.traceback)
        print(f"llmsync: standard output cannot be written: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.INVALID)
    except Exception as error:  # noqa: BLE001 - the last boundary: a bug must not look like a result
        return _bug(error, shown=args.traceback)


def _bug(error: Exception, *, shown: bool) -> int:
    if shown:
        traceback.print_exc()
    print(
        f"llmsync: internal error: {type(error).__name__}: {error}\n"
        "llmsync: this is a bug of llmsync; what it was doing may be half done "
        "(--traceback before the command shows where it happened)",
        file=sys.stderr,
    )
    return int(ExitCode.IN_DOUBT)


def _error_document(error: ToolkitError) -> dict[str, object]:
    """Return what a script reads from standard output where a command with `-o json` failed."""
    problems = error.problems if isinstance(error, ProblemsError) else ()
    return {
        "error": str(error),
        "exit_code": int(error.exit_code),
        "problems": [
            {
                "file": p.place.file, "line": p.place.line, "path": p.place.path,
                "what": p.what, "remedy": p.remedy,
            }
            for p in problems
        ],
    }  # fmt: skip


def entry() -> None:
    """The console script."""
    # A command makes many values and drops few: looking for garbage seldom saves a tenth of a push.
    gc.set_threshold(50_000, 20, 50)
    # Nothing here multiplies matrices of any size: threads for that would only be started and wait.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(main())
