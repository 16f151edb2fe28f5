"""`llmsync receive`: take part in a delivery over UDP."""

from __future__ import annotations

import argparse
import random
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from toolkit.cli import delivery_security
from toolkit.cli.arithmetic import announce_arithmetic
from toolkit.cli.beforehand import check_files
from toolkit.cli.cmd_send import CONTROL_PORT, check_name
from toolkit.cli.console import add_output, print_data, say, table
from toolkit.cli.falling_back import add_fallback, check_fallback, ranges, summary, trouble
from toolkit.cli.interruption import terminable
from toolkit.cli.joining import add_join, check_join
from toolkit.cli.marking import add_dscp, parse_dscp_option
from toolkit.cli.planned import add_delivery, chosen, fill_receive
from toolkit.cli.receipt_files import add_receipts, keep_own_receipt
from toolkit.cli.serving import add_watching
from toolkit.cli.terminal import Display, Rate, receiving_line
from toolkit.cli.trying import add_loss, parse_share
from toolkit.errors import ExitCode, ToolkitError, UsageError

if TYPE_CHECKING:
    from toolkit.cli.joining import Joined
    from toolkit.delivery.events import ReceiverOutput
    from toolkit.delivery.manifest import OpenedManifest
    from toolkit.delivery.model import Receipt
    from toolkit.delivery.receiver import Receiver
    from toolkit.delivery.sink import FolderSink
    from toolkit.delivery.storing import WaitableDesk
    from toolkit.gpu.sink import DeviceSink
    from toolkit.transport.drops import Drops
    from toolkit.transport.ranges import Ranges


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments."""
    parser.add_argument("--name", required=True, help="our name, as the sender lists it")
    parser.add_argument(
        "--output", required=True, type=Path, metavar="DIR", help="folder to place the files in"
    )
    parser.add_argument(
        "--gpu", metavar="cpu|N",
        help="hand out tensors of safetensors files on the CPU, or on GPU number N, while "
        "the files are still coming",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", type=float, default=30.0, metavar="SECONDS",
        help="give up when nothing comes for so long (default: %(default)s)",
    )  # fmt: skip
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
    add_join(parser)
    add_fallback(parser)
    security = parser.add_argument_group("security")
    security.add_argument(
        "--trust", type=Path, metavar="FILE",
        help="public key that must have signed the manifest (the sender's .pub file)",
    )  # fmt: skip
    delivery_security.add_receive(security)
    results = parser.add_argument_group("what is shown and kept")
    add_watching(results)
    add_receipts(results)
    results.add_argument(
        "--receipt-key", type=Path, metavar="FILE",
        help="Ed25519 private key that signs our --receipt; made when missing",
    )  # fmt: skip
    add_output(results)
    add_loss(parser)
    parser.epilog = (
        "example: llmsync receive --name fra --listen 0.0.0.0:4401 --sender 192.0.2.1 "
        "--output models/llama --trust llmsync.key.pub"
    )


def run(args: argparse.Namespace) -> int:
    """Receive; return 0 when every file is verified and placed."""
    with terminable():
        return _receive(args)


def _receive(args: argparse.Namespace) -> int:
    from toolkit.cli import joining
    from toolkit.delivery.basis import FolderBasis, Version
    from toolkit.delivery.keys import trusted_key
    from toolkit.delivery.memory import Slabs
    from toolkit.delivery.receiver import Receiver
    from toolkit.delivery.sink import FolderSink
    from toolkit.gpu.desk import CopyDesk
    from toolkit.transport import address, drops, loss, udp
    from toolkit.transport.writing import WriterThread, worth_it

    check_name("--name", args.name)
    plan = chosen(args)
    if plan is not None:
        fill_receive(args, *plan)
    tsi = None if plan is None else plan[1].tsi
    check_fallback(args)
    check_join(args)
    check_files(args)
    if not 0 < args.timeout < 1e9:
        raise UsageError(f"--timeout {args.timeout:g}: must be positive")
    lost, dscp = parse_share(args.loss), parse_dscp_option(args.dscp)
    announce_arithmetic()
    trusted = trusted_key(args.trust) if args.trust else None
    seal_key = delivery_security.seal_key(args.seal_key, make=False)
    pinned = delivery_security.Pinned(args.pin)
    speaker = delivery_security.speaker(args)
    check = delivery_security.check_model(delivery_security.provenance(args))
    folder = FolderSink(args.output, check=check)
    tensors = _tensor_sink(folder, args.gpu)
    with ExitStack() as stack:
        stack.callback(folder.close)
        folder.prepare()
        interruption = stack.enter_context(_Interruption(folder))
        alone = args.fallback_only and args.sender is None and not args.join
        listen = "127.0.0.1:0" if alone else args.listen or joining.default_listen(args)
        sockets = [stack.enter_context(address.bind(address.resolve(listen, flag="--listen")))]
        address.mark(sockets[0], dscp)
        joined = None
        if args.join:
            joined = joining.join(args, sockets[0].getsockname()[1], trusted)
            trusted, sender = joined.key, joined.sender
            speaker = speaker or joined.speaker
            group, source = joined.group, joined.source
        elif alone:
            sender = source = address.resolve(listen)
            group = None
        else:
            sender = source = address.resolve(args.sender, port=CONTROL_PORT, flag="--sender")
            group = address.resolve(args.group, flag="--group") if args.group else None
        if group is not None and not args.fallback_only:
            if not group.multicast:
                raise UsageError(f"--group {args.group}: not a multicast address")
            sockets.append(stack.enter_context(address.join(group, args.interface, source)))
        sources = delivery_security.sources(args, sender, source)
        wires: list[udp.Wire] = [udp.SocketWire(s, sources, bunched=True) for s in sockets]
        if lost:
            wires = [loss.LossyWire(w, lost, args.seed + i) for i, w in enumerate(wires)]
        if joined is not None and args.feedback == "websocket":
            wires[0] = stack.enter_context(joining.upstream(joined, wires[0]))
        desk: WaitableDesk | None = None
        slabs = None
        if tensors is not None:
            stack.callback(tensors.device.release)
            desk = stack.enter_context(CopyDesk(tensors))
            slabs = Slabs(tensors.device.window)
        elif worth_it(folder.target):
            desk = stack.enter_context(WriterThread(folder))
        receiver = Receiver(
            args.name, tensors or folder, trusted=trusted,
            incarnation=time.time_ns() // 1_000_000, chance=random.random,
            tsi=tsi if joined is None else joined.tsi,
            timeout=2 * args.timeout + 60 if alone else args.timeout,
            socket_room=min(map(address.socket_room, sockets)),
            seal_key=seal_key if joined is None else joined.seal_key or seal_key,
            admit=pinned.admit if joined is None else pinned.also(joined.admit),
            basis=FolderBasis([Version(folder.target)]), desk=desk,
            slabs=slabs, headers_first=tensors is not None,
        )  # fmt: skip
        display = Display(auto=args.progress == "auto")
        stack.callback(display.end)
        fetching = ranges(args, joined)
        if fetching is not None:
            stack.callback(fetching.close)
        checked = trusted is not None or pinned.given
        teller = _Teller(receiver, tensors, display, joined, pinned, fetching, checked=checked)
        interruption.teller = teller
        lost_here = drops.KernelDrops(sockets)
        if alone and fetching is not None:
            fetching.alone(receiver, teller)
        else:
            udp.run_receiver(receiver, wires, sender, teller, speaker, desk, fetching)
        teller.drops = lost_here.read()
    if interruption.happened:
        return ExitCode.INTERRUPTED
    delivery_security.tell_foreign(receiver.counters, sources)
    return teller.finish(args, folder.target)


class _Interruption:
    """A context that an interruption ends by saying what is kept."""

    def __init__(self, folder: FolderSink) -> None:
        self.happened = False
        self.teller: _Teller | None = None
        self._folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        if kind is not KeyboardInterrupt:
            return False
        self.happened = True
        folder = self._folder
        if self.teller is not None and self.teller.placed:
            kept = f"everything is in {folder.target}, and the sender may not know it"
        elif folder.kept:
            kept = (
                f"what was received is kept in {folder.staging} (start the receiver again to go on)"
            )
        else:
            kept = "nothing had been received"
        say(f"llmsync: interrupted; {kept}")
        return True


def _tensor_sink(folder: Any, gpu: str | None) -> DeviceSink | None:  # noqa: ANN401
    if gpu is None:
        return None
    from toolkit.gpu.door import open_device
    from toolkit.gpu.sink import DeviceSink

    sink = DeviceSink(folder, open_device(gpu))
    if gpu == "cpu":
        say("--gpu cpu: tensors are handed out in this machine's memory; no GPU is used")
    return sink


class _Teller:
    """Tells the person what happens, and keeps what the last line needs."""

    def __init__(
        self, receiver: Receiver, tensors: DeviceSink | None, display: Display,
        joined: Joined | None, pinned: delivery_security.Pinned, fetching: Ranges | None,
        *, checked: bool,
    ) -> None:  # fmt: skip
        self._receiver = receiver
        self._display = display
        self._joined = joined
        self._fetching = fetching
        self.drops: Drops | None = None
        """What this host lost; None: not known yet."""
        self._sink = tensors
        self._pinned = pinned
        self._checked = checked
        self._begin = time.monotonic()
        self._began = datetime.now(UTC)
        self._opened: OpenedManifest | None = None
        self._placed = 0.0
        self._rate = Rate(self._begin)
        self._receipt: Receipt | None = None
        self._error: ToolkitError | None = None
        self._tensors = 0
        self._faults: set[str] = set()
        """Kinds of trouble with --fallback that were told."""
        self._first_tensor: float | None = None
        self._last_tensor: float | None = None

    def __call__(self, outputs: list[ReceiverOutput]) -> None:
        from toolkit.delivery import events, keys

        for output in outputs:
            match output:
                case events.ManifestVerified(opened=opened):
                    self._opened = opened
                    proof = (
                        "is trusted" if self._checked else "is not checked, see --trust and --pin"
                    )
                    self._display.say(
                        f"{opened.manifest.name}: {len(opened.manifest.files)} files, "
                        f"{opened.manifest.size} bytes; signed by "
                        f"{keys.fingerprint(opened.key)}, which {proof}"
                    )
                case events.FileVerified(path=path):
                    self._display.say(f"{path}: verified")
                case events.TensorReady():
                    if self._sink is not None:
                        self._last_tensor = time.monotonic() - self._begin
                        self._first_tensor = self._first_tensor or self._last_tensor
                    self._tensors += 1
                case events.Completed(receipt=receipt):
                    self._receipt = receipt
                    self._placed = time.monotonic() - self._begin
                    self._pinned.placed(self._opened)
                case events.Failed(error=error):
                    self._error = error
                case _:
                    pass
        now = time.monotonic()
        kinds = set() if self._fetching is None else set(self._fetching.fetcher.faults)
        if kinds - self._faults:
            self._display.say(trouble(self._fetching))
            self._faults |= kinds
        if self._opened is not None and self._receipt is None and self._display.due(now):
            counters, manifest = self._receiver.counters, self._opened.manifest
            rate = self._rate.of(counters.bytes, now)
            line = receiving_line(manifest.name, manifest.size, counters, rate)
            self._display.show(now, line, lambda: [line])

    @property
    def placed(self) -> bool:
        """Whether all files are in their place."""
        return self._receipt is not None

    def finish(self, args: argparse.Namespace, target: Path) -> int:
        """Print the outcome and keep the receipt; raise what went wrong."""
        for sentence in () if self.drops is None else self.drops.sentences():
            say(f"llmsync: {sentence}")
        if self._error is not None:
            raise self._error
        receipt = self._receipt
        if receipt is None:
            return ExitCode.FINDINGS
        counters = self._receiver.counters
        document: dict[str, object] = {
            "placed": str(target), "files": receipt.files, "bytes": receipt.bytes,
            "manifest": receipt.manifest.hex(), "first_byte": round(receipt.first_byte, 6),
            "last_byte": round(receipt.last_byte, 6), "verified": round(receipt.verified, 6),
            "packets": counters.packets, "repaired": counters.repaired, "found": counters.found,
            "duplicates": counters.duplicates, "polluted": counters.polluted,
            "refused": dict(counters.refused),
            "tensors": self._tensors,
            "device": None if self._sink is None else self._sink.device.name,
            "first_tensor": _rounded(self._first_tensor),
            "last_tensor": _rounded(self._last_tensor),
            "kernel_drops": None if self.drops is None else self.drops.document(),
            **summary(self._fetching, counters.bytes),
        }  # fmt: skip
        if args.format == "json":
            print_data(document, "json")
        else:
            document["refused"] = sum(counters.refused.values())
            if self._fetching is not None:
                faults = self._fetching.fetcher.faults
                document["https_faults"] = ", ".join(f"{k} {v}" for k, v in faults.items()) or 0
            if self.drops is not None:
                lost = self.drops.document()
                document["kernel_drops"] = ", ".join(f"{k} {v}" for k, v in lost.items())
            shown = [(k, v) for k, v in document.items() if v is not None]
            print(table(("figure", "value"), shown))
        if self._opened is not None:
            keep_own_receipt(
                args, self._opened, 0 if self._joined is None else self._joined.tsi, receipt,
                counters, self._began, self._placed,
            )  # fmt: skip
        return ExitCode.OK


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)
