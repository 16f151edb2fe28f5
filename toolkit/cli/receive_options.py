"""The options of `llmsync receive`, and the settings that they say."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from toolkit.agent.settings import CONTROL_PORT, WINDOW, Settings, problems
from toolkit.cli import delivery_security, sharing
from toolkit.cli.beforehand import check_files
from toolkit.cli.calling import add_credentials
from toolkit.cli.console import add_output
from toolkit.cli.marking import add_dscp, parse_dscp_option
from toolkit.cli.planned import add_delivery, chosen, fill_receive
from toolkit.cli.receipt_files import add_receipts
from toolkit.cli.serving import add_watching
from toolkit.cli.trying import add_loss, parse_share
from toolkit.errors import UsageError

if TYPE_CHECKING:
    from toolkit.agent.settings import Weights

T = TypeVar("T")
Rules = tuple[tuple[str, int | None], ...]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add them all."""
    parser.add_argument("--name", required=True, help="our name, as the sender lists it")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder to place the files in")
    parser.add_argument(
        "--timeout", type=float, default=30.0, metavar="SECONDS",
        help="give up when nothing comes for so long (default: %(default)s)",
    )  # fmt: skip
    _add_device(parser)
    sharing.add_share(parser)
    network = parser.add_argument_group("sender and network")
    network.add_argument(
        "--listen", metavar="HOST:PORT",
        help="our address in the sender's --to (with --join: any free port where left out)",
    )  # fmt: skip
    network.add_argument(
        "--sender", metavar="HOST[:PORT]",
        help=f"the sender's --control address (default port: {CONTROL_PORT})",
    )  # fmt: skip
    network.add_argument("--group", metavar="ADDR:PORT", help="IP multicast group to join as well")
    network.add_argument(
        "--interface", default="", metavar="NAME|IP",
        help="join it there: an interface of ours, by its name or an address of it",
    )  # fmt: skip
    add_dscp(network)
    add_delivery(parser)
    _add_join(parser)
    _add_fallback(parser)
    security = parser.add_argument_group("security")
    security.add_argument(
        "--trust", type=Path, metavar="FILE",
        help="public key that must have signed the manifest (the sender's .pub file)",
    )  # fmt: skip
    delivery_security.add_receive(security)
    results = parser.add_argument_group("what is shown and kept")
    add_watching(results)
    results.add_argument(
        "--metrics", metavar="[HOST:]PORT",
        help="serve counters for Prometheus at /metrics (HOST by default: 127.0.0.1)",
    )  # fmt: skip
    add_receipts(results)
    results.add_argument(
        "--receipt-key", type=Path, metavar="FILE",
        help="Ed25519 private key that signs our --receipt; made when missing",
    )  # fmt: skip
    add_output(results)
    add_loss(parser)


def _add_device(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("tensors on a device")
    group.add_argument(
        "--gpu", default="none", metavar="none|cpu|N",
        help="put the tensors of safetensors files onto GPU number N while the files are still "
        "coming; cpu: the same in this machine's memory (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--weights", choices=("disk", "gpu", "both"),
        help="where safetensors files go; gpu: to the device only, and --output may be left out "
        "(default: disk without --gpu, both with it)",
    )  # fmt: skip
    group.add_argument(
        "--window", metavar="SIZE",
        help="memory of blocks that are on their way, which a GPU reads by itself "
        "(default: 256 MiB)",
    )  # fmt: skip
    group.add_argument(
        "--rank", type=int, default=0, metavar="R",
        help="of --world W tensor-parallel processes we are number R (from 0)",
    )  # fmt: skip
    group.add_argument(
        "--world", type=int, default=1, metavar="W",
        help="keep part R of W of each tensor that is cut (default: all of it)",
    )  # fmt: skip
    group.add_argument(
        "--shard", action="append", default=[], metavar="PATTERN=DIM|whole",
        help="cut tensors of these names along this dimension (0: rows), before the usual rules; "
        "may be repeated",
    )  # fmt: skip
    group.add_argument(
        "--no-device-check", action="store_true",
        help="compute the digests on the host, before blocks are copied, and not over the device's "
        "memory",
    )  # fmt: skip


def _add_join(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("joining by a service")
    group.add_argument(
        "--join", metavar="URL",
        help="ask the service there (https://HOST:PORT) for --sender, --group and --trust",
    )  # fmt: skip
    group.add_argument(
        "--session", metavar="ID", help="which of its sessions (default: the only one)"
    )
    group.add_argument(
        "--feedback", choices=("udp", "websocket"), default="udp",
        help="how our reports reach the sender; websocket: where UDP is not let through "
        "(default: %(default)s)",
    )  # fmt: skip
    add_credentials(group)


def _add_fallback(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where packets do not come")
    group.add_argument(
        "--fallback", metavar="URL",
        help="finish by HTTP ranges: a folder with manifest, digests/PATH and files/PATH (send "
        "--publish makes one), an address of files alone with {path} in it, or `service`: that "
        "of --join",
    )  # fmt: skip
    group.add_argument(
        "--fallback-after", type=float, default=10.0, metavar="SECONDS",
        help="begin when no data has come for so long (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--fallback-only", action="store_true",
        help="expect no packets; --listen and --sender may be left out, then nobody is told",
    )  # fmt: skip


def read_settings(args: argparse.Namespace) -> Settings:
    """Return what the options say; UsageError names everything that is wrong with them."""
    plan = chosen(args)
    if plan is not None:
        fill_receive(args, *plan)
    wrong: list[str] = []

    def told(parse: Callable[[], T], else_: T) -> T:
        try:
            return parse()
        except UsageError as error:
            wrong.append(str(error))
            return else_

    loss = told(lambda: parse_share(args.loss), 0.0)
    dscp = told(lambda: parse_dscp_option(args.dscp), None)
    window = told(lambda: parse_window(args.window), WINDOW)
    no_rules: Rules = ()
    shard = told(lambda: parse_rules(args.shard), no_rules)
    told(lambda: check_files(args), None)
    weights: Weights | None = args.weights
    mode = told(lambda: sharing.parse_mode(args.window_mode), 0o600)
    settings = Settings(
        name=args.name, output=args.output, device=None if args.gpu == "none" else args.gpu,
        weights=weights, window=window, rank=args.rank, world=args.world, shard=shard,
        check_device=not args.no_device_check, listen=args.listen, sender=args.sender,
        group=args.group, interface=args.interface, dscp=dscp,
        tsi=None if plan is None else plan[1].tsi, source=tuple(args.source), join=args.join,
        session=args.session, feedback=args.feedback, token_file=args.token_file, ca=args.ca,
        tls_cert=args.tls_cert, tls_key=args.tls_key, fallback=args.fallback,
        fallback_after=args.fallback_after, fallback_only=args.fallback_only, trust=args.trust,
        seal_key=args.seal_key, control_token=args.control_token, pin=args.pin,
        model_signature=args.model_signature, model_key=args.model_key,
        require_model_signature=args.require_model_signature, timeout=args.timeout,
        metrics=args.metrics, loss=loss, seed=args.seed, share=args.share, agents=args.agents,
        agent_wait=args.agent_wait, agent_patience=args.agent_patience, window_mode=mode,
        window_of=args.window_of,
    )  # fmt: skip
    wrong = [*problems(settings), *wrong]
    if wrong:
        raise UsageError("\n".join(wrong))
    return settings


def parse_window(text: str | None) -> int:
    """Return bytes of `256M`, `1.5G`; the usual where nothing is said."""
    if text is None:
        return WINDOW
    matched = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)([kKMG]?)", text)
    if matched is None:
        raise UsageError(f"--window {text}: not a size in bytes (256M, 1.5G)")
    return int(float(matched[1]) * 1000 ** " KMG".index(matched[2].upper() or " "))


def parse_rules(texts: list[str]) -> Rules:
    """Return pattern and dimension of each `*.q_proj.weight=0`; None for `whole`."""
    rules, wrong = [], []
    for text in texts:
        pattern, equals, dim = text.rpartition("=")
        number = int(dim) if dim.isascii() and dim.isdecimal() else None
        if equals and pattern and (number is not None or dim == "whole"):
            rules.append((pattern, number))
        else:
            wrong.append(
                f"--shard {text}: not PATTERN=DIM ('*.q_proj.weight=0': rows, 1: columns, "
                "'*.norm.weight=whole': not cut)"
            )
    if wrong:
        raise UsageError("\n".join(wrong))
    return tuple(rules)
