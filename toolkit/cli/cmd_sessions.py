"""`llmsync sessions`: the deliveries of a running sender, by its HTTP service."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.cli.calling import add_credentials, client
from toolkit.cli.console import add_output, print_data, say, table
from toolkit.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from toolkit.service.client import Client

EXAMPLE = """\
examples:
  llmsync sessions token fra --tokens tokens --token-file fra.token
  llmsync sessions token ops --role operator --tokens tokens --token-file ops.token
  llmsync send models/llama --to fra --service 0.0.0.0:4443 --tokens tokens \\
      --tls-cert cert.pem --tls-key key.pem
  llmsync sessions list --service https://192.0.2.1:4443 --token-file ops.token --ca ca.pem
  llmsync sessions evict 0badcafe fra --reason maintenance --service https://192.0.2.1:4443 \\
      --token-file ops.token"""

_REACHED = "--service https://192.0.2.1:4443 \\\n      --token-file ops.token --ca ca.pem"
_EXAMPLES = {
    "list": f"example:\n  llmsync sessions list {_REACHED}",
    "show": f"example:\n  llmsync sessions show 0badcafe {_REACHED}",
    "abort": f"example:\n  llmsync sessions abort 0badcafe --reason 'wrong model' {_REACHED}",
    "evict": f"example:\n  llmsync sessions evict 0badcafe fra --reason maintenance {_REACHED}",
    "token": "example:\n  llmsync sessions token ops --role operator --tokens tokens "
    "--token-file ops.token",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync sessions` and what is below it."""
    below = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    listing = _add(below, "list", "The sessions of a service")
    _reach(listing)
    show = _add(below, "show", "One session: its receivers and what has happened")
    show.add_argument("session", nargs="?", metavar="ID", help="default: the only one")
    _reach(show)
    abort = _add(below, "abort", "End a session for all; nothing incomplete is placed anywhere")
    abort.add_argument("session", metavar="ID")
    abort.add_argument("--reason", default="aborted by an operator", help="why; all are told")
    _reach(abort)
    evict = _add(below, "evict", "End a session for one receiver")
    evict.add_argument("session", metavar="ID")
    evict.add_argument("receiver", metavar="NAME")
    evict.add_argument("--reason", default="", help="why")
    _reach(evict)
    token = _add(below, "token", "Make a token: it goes to a file, its hash to the token file")
    token.add_argument("name", metavar="NAME", help="whose it is: a receiver's name, or another")
    token.add_argument(
        "--role", action="append", choices=("receiver", "reader", "operator"),
        help="what it may do (default: receiver; may be given again)",
    )  # fmt: skip
    token.add_argument(
        "--tokens", type=Path, required=True, metavar="FILE", help="the sender's token file"
    )
    token.add_argument(
        "--token-file", type=Path, required=True, metavar="FILE",
        help="file for the token itself, to give to its owner",
    )  # fmt: skip
    parser.epilog = EXAMPLE


def _add(below: Any, name: str, line: str) -> argparse.ArgumentParser:  # noqa: ANN401
    parser: argparse.ArgumentParser = below.add_parser(
        name, help=line, description=line + ".", epilog=_EXAMPLES[name],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    return parser


def _reach(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--service", required=True, metavar="URL", help="the sender's service: https://HOST:PORT"
    )
    add_credentials(parser)
    add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Do what is asked."""
    if args.what == "token":
        return _token(args)
    return {"list": _list, "show": _show, "abort": _abort, "evict": _evict}[args.what](
        args, client(args, args.service)
    )


def _list(args: argparse.Namespace, service: Client) -> int:
    found = service.get("/v1/sessions")["sessions"]
    if args.format == "json":
        print_data(found, "json")
        return ExitCode.OK
    rows = [
        (s["id"], s["delivery"], s["size"], s["receivers"], s["standings"].get("complete", 0),
         f"{s['elapsed']:.1f}", _state(s))
        for s in found
    ]  # fmt: skip
    header = ("session", "delivery", "bytes", "receivers", "complete", "seconds", "state")
    print(table(header, rows))
    return ExitCode.OK


def _show(args: argparse.Namespace, service: Client) -> int:
    from toolkit.service.client import segment

    path = f"/v1/sessions/{segment(args.session or service.only_session())}"
    session = service.get(path)
    receivers = service.get(f"{path}/receivers")["receivers"]
    events = service.get(f"{path}/events")["events"]
    if args.format == "json":
        print_data({"session": session, "receivers": receivers, "events": events}, "json")
        return ExitCode.OK
    size = session["size"]
    rows = [
        (r["receiver"], r["region"] or "-", r["standing"], r["cohort"],
         f"{100 * r['held'] / size if size else 100:.1f}", f"{r['rate'] / 1e6:.1f}",
         r["repairs"], r["lost"], r["why"] or "-")
        for r in receivers
    ]  # fmt: skip
    header = ("receiver", "region", "state", "cohort", "%", "Mb/s", "repairs", "lost", "why")
    print(table(header, rows))
    print()
    print(f"{session['delivery']}: {_state(session)}; " + "; ".join(map(_event, events[-8:])))
    return ExitCode.OK


def _abort(args: argparse.Namespace, service: Client) -> int:
    from toolkit.service.client import segment

    answer = service.post(f"/v1/sessions/{segment(args.session)}/abort", {"reason": args.reason})
    return _done(args, answer, f"session {args.session} is aborted")


def _evict(args: argparse.Namespace, service: Client) -> int:
    from urllib.parse import urlencode

    from toolkit.service.client import segment

    path = f"/v1/sessions/{segment(args.session)}/receivers/{segment(args.receiver)}"
    answer = service.delete(f"{path}?{urlencode({'reason': args.reason})}")
    return _done(args, answer, f"{args.receiver} is no longer in session {args.session}")


def _done(args: argparse.Namespace, answer: object, words: str) -> int:
    if args.format == "json":
        print_data(answer, "json")
    else:
        say(words)
    return ExitCode.OK


def _state(session: dict[str, Any]) -> str:
    if session["failure"]:
        return f"failed: {session['failure']}"
    return "finished" if session["finished"] else "under way"


def _event(event: dict[str, Any]) -> str:
    who = f"{event['receiver']} " if event["receiver"] else ""
    by = f" by {event['by']}" if event["by"] else ""
    return f"{who}{event['kind']}{by}"


def _token(args: argparse.Namespace) -> int:
    from toolkit.cli.cmd_send import check_name
    from toolkit.service.tokens import new_token, read_tokens

    roles = sorted(set(args.role or ["receiver"]))
    if "receiver" in roles:
        check_name("NAME", args.name)
    if args.tokens.exists():
        taken = [p for _, p in read_tokens(args.tokens).hashed if p.name == args.name]
        if taken:
            raise UsageError(f"{args.tokens}: {args.name} has a token (take its line out first)")
    token, hashed = new_token()
    _write_private(args.token_file, token + "\n")
    try:
        with args.tokens.open("a", encoding="utf-8") as stream:
            stream.write(f"{args.name} {','.join(roles)} {hashed}\n")
    except OSError as error:
        args.token_file.unlink(missing_ok=True)
        raise UsageError(f"{args.tokens}: {error.strerror} (name a file to write to)") from None
    say(
        f"{args.token_file}: the token of {args.name} ({', '.join(roles)}); {args.tokens} knows "
        "its hash alone"
    )
    return ExitCode.OK


def _write_private(path: Path, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror} (name a new file)") from None
