"""`llmsync sync`: models kept the same in many clouds."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from toolkit.cli import sync_agent, sync_serve
from toolkit.cli.calling import add_credentials, client
from toolkit.cli.console import add_output, print_data, say, table
from toolkit.errors import ExitCode, UsageError

EXAMPLE = """\
examples:
  llmsync sync serve sync.yaml --listen 0.0.0.0:4480 --tokens tokens --tls-cert cert.pem \\
      --tls-key key.pem
  llmsync sync agent --name fra --repository https://192.0.2.1:4480 --token-file fra.token \\
      --ca ca.pem --store /srv/models --trust llmsync.key.pub
  llmsync sync status --repository https://192.0.2.1:4480 --token-file ops.token --ca ca.pem
  llmsync sync versions --store /srv/models
  llmsync sync rollback llama --store /srv/models"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync sync` and what is below it."""
    below = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    sync_serve.configure(
        _add(
            below,
            "serve",
            "Watch a repository and deliver what clouds lack",
            "sync.yaml --listen 0.0.0.0:4480 --tokens tokens --tls-cert cert.pem --tls-key key.pem",
        )
    )
    sync_agent.configure(
        _add(
            below,
            "agent",
            "Keep a cloud's store as the repository wants it",
            "--name fra --repository https://192.0.2.1:4480 --token-file fra.token --ca ca.pem "
            "--store /srv/store --trust llmsync.key.pub",
        )
    )
    status = _add(
        below, "status", "How every cloud stands, by the repository's daemon",
        "--repository https://192.0.2.1:4480 --token-file ops.token --ca ca.pem",
    )  # fmt: skip
    status.add_argument(
        "--repository", required=True, metavar="URL", help="the daemon: https://HOST:PORT"
    )
    add_credentials(status)
    add_output(status)
    versions = _add(below, "versions", "What a cloud's store holds", "--store /srv/store")
    versions.add_argument("model", nargs="?", metavar="MODEL", help="default: all")
    _add_store(versions)
    versions.add_argument(
        "--verify", action="store_true", help="read everything, and compare it with what was sent"
    )
    add_output(versions)
    rollback = _add(
        below, "rollback", "Use an earlier version, and stay with it", "llama --store /srv/store"
    )
    rollback.add_argument("model", metavar="MODEL")
    rollback.add_argument("--to", metavar="VERSION", help="default: the one that was used before")
    rollback.add_argument(
        "--release", action="store_true", help="let the repository decide again what is used"
    )
    _add_store(rollback)
    schema = _add(
        below, "schema", "Print the JSON Schema (draft 2020-12) of a sync file", "> sync.json"
    )
    add_output(schema, formats=("json",))
    parser.epilog = EXAMPLE


def _add(below: Any, name: str, line: str, example: str) -> argparse.ArgumentParser:  # noqa: ANN401
    parser: argparse.ArgumentParser = below.add_parser(
        name, help=line, description=line + ".",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"example: llmsync sync {name} {example}",
    )  # fmt: skip
    return parser


def _add_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--store", type=Path, required=True, metavar="DIR", help="the store of this cloud's agent"
    )


def run(args: argparse.Namespace) -> int:
    """Do what is asked."""
    if args.what == "schema":
        from toolkit.sync.declared import file_schema

        print_data(file_schema(), "json")
        return ExitCode.OK
    actions = {
        "serve": sync_serve.run, "agent": sync_agent.run, "status": _status,
        "versions": _versions, "rollback": _rollback,
    }  # fmt: skip
    return actions[args.what](args)


def _status(args: argparse.Namespace) -> int:
    document = client(args, args.repository).get("/v1/sync")
    show_status(document, args.format)
    return ExitCode.OK if document["converged"] else ExitCode.FINDINGS


def show_status(document: dict[str, Any], form: str) -> None:
    """Print how every cloud stands."""
    if form == "json":
        print_data(document, "json")
        return
    header = ("cloud", "model", "wanted", "current", "stage", "failures", "why")
    rows = [[c[h] or ("0" if h == "failures" else "-") for h in header] for c in document["clouds"]]
    print(table(header, rows))
    for session in document["sessions"]:
        print(
            f"session {session['session']}: {session['model']}@{session['version']} to "
            f"{', '.join(session['clouds'])}; {session['sending'] / 1e6:.1f} Mb/s for "
            f"{session['seconds']:.0f} s"
        )
    for version, why in sorted((document["missing"] | document["problems"]).items()):
        print(f"{version}: {why}")


def _versions(args: argparse.Namespace) -> int:
    from toolkit.sync.store import Store
    from toolkit.sync.verifying import damages

    if not args.store.is_dir():
        raise UsageError(f"--store {args.store}: there is no such folder (that of a sync agent)")
    store = Store(args.store)
    models = store.models()
    if args.model is not None:
        if args.model not in models:
            raise UsageError(f"{args.model}: nothing of it is in {args.store}")
        models = [args.model]
    found: list[dict[str, Any]] = []
    for model in models:
        current, pinned = store.current(model), store.pinned(model)
        for stored in store.versions(model):
            delivered = datetime.fromtimestamp(stored.delivered, UTC).isoformat("T", "seconds")
            entry: dict[str, Any] = {
                "model": model, "version": stored.version, "current": stored.version == current,
                "pinned": pinned and stored.version == current, "content": stored.content,
                "delivered": delivered,
            }  # fmt: skip
            if args.verify:
                with store.lease(model, stored.version) as files:
                    entry["damages"] = list(damages(files, store.records(model, stored.version)))
            found.append(entry)
    if args.format == "json":
        print_data(found, "json")
    else:
        rows = [
            (f["model"], f["version"], "pinned" if f["pinned"] else "yes" if f["current"] else "-",
             f["delivered"], f["content"][:12])
            for f in found
        ]  # fmt: skip
        print(table(("model", "version", "in use", "delivered", "content"), rows))
    bad = [damage for f in found for damage in f.get("damages", ())]
    for damage in bad:
        say(damage)
    return ExitCode.FINDINGS if bad else ExitCode.OK


def _rollback(args: argparse.Namespace) -> int:
    from toolkit.sync.store import Store

    store = Store(args.store)
    if args.release:
        if args.to is not None:
            raise UsageError("--release and --to do not go together (--release chooses nothing)")
        if args.model not in store.models():
            raise UsageError(f"{args.model}: nothing of it is in {args.store}")
        store.unpin(args.model)
        say(f"{args.model}: the repository decides again")
        return ExitCode.OK
    before = store.current(args.model)
    version = store.rollback(args.model, args.to)
    say(
        f"{args.model}: {version} is in use (it was {before}), until "
        f"`llmsync sync rollback {args.model} --release`"
    )
    print(json.dumps({"model": args.model, "current": version, "before": before}))
    return ExitCode.OK
