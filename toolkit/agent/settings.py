"""What a receiver is told: values and paths, whoever tells them.

`problems` names everything that contradicts itself, by the options of `llmsync receive`, which
have the names of the fields (`device` is `--gpu`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from toolkit.errors import UsageError

CONTROL_PORT = 4400
"""Of a sender, where nobody says another."""
WINDOW = 256 * 2**20
"""Bytes of open blocks."""
LEAST_WINDOW = 16_000_000
"""Seven of the longest blocks (RFC 5052: 255 symbols of 8.9 KB)."""
EASY_WINDOW = 64_000_000
"""Enough with losses, too.  Senders repair behind stretches of 16 MiB, of two files in turn; what
has no room comes again.  168 MB over loopback at 5 % loss: with 64 MB nothing came again, 32 MB
took 1.3 times the packets, 16 MB 2.4 times."""
MEMORY_FILES = 256 * 2**20
"""Bytes of files that are kept in memory where there is no folder for them."""
MOST_AGENTS = 62
"""Of one window."""
MARKING = 1
"""DSCP LE (RFC 8622): gives way to all other traffic."""

Weights = Literal["disk", "gpu", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One receiver of one delivery."""

    name: str
    """As the sender lists it."""
    output: Path | None = None
    """Folder to place files in; None: they stay in memory, `MEMORY_FILES` bytes at most, and the
    weights are on a device alone."""

    device: str | None = None
    """`cpu`, the number of a GPU, or `cuda:N`; None: no tensors are made."""
    weights: Weights | None = None
    """Where safetensors files go; None: to disk, and with a device to both."""
    window: int = WINDOW
    """Bytes of open blocks: what of a delivery is in this process's memory at once."""
    rank: int = 0
    world: int = 1
    """Tensor parallel: of each tensor that `shard` cuts we keep part `rank` of `world`."""
    shard: tuple[tuple[str, int | None], ...] = ()
    """Pattern of tensor names, and the dimension that is cut (None: held whole); the first that
    fits counts, then the usual rules (`toolkit.gpu.slices`)."""
    check_device: bool = True
    """Compute each block's digest over the device's memory, where it has landed; else on the host,
    before it is copied."""
    passing: bool = False
    """Tensors are taken while they come, and files let go of (`DeviceModel.release`): not all need
    fit the device at a time."""

    listen: str | None = None
    """HOST:PORT; None with `join`: any free port."""
    sender: str | None = None
    """HOST[:PORT] of the sender's control socket."""
    group: str | None = None
    interface: str = ""
    """Where to join the group."""
    dscp: int | None = MARKING
    """Of our packets; None: unmarked."""
    tsi: int | None = None
    """Of the session; None: of any."""
    source: tuple[str, ...] = ()
    """HOST[:PORT] that packets may come from, besides the sender's."""

    join: str | None = None
    """URL of a service that tells sender, group and key."""
    session: str | None = None
    """Which of its sessions; None: the only one."""
    feedback: Literal["udp", "websocket"] = "udp"
    token_file: Path | None = None
    ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None

    fallback: str | None = None
    """URL of HTTP ranges, or `service`: that of `join`."""
    fallback_after: float = 10.0
    """Seconds without data after which they are asked for."""
    fallback_only: bool = False

    trust: Path | bytes | None = None
    """Public key (its file, or 32 bytes) that must have signed the manifest; None: any."""
    seal_key: Path | bytes | None = None
    control_token: Path | bytes | None = None
    pin: Path | None = None
    model_signature: Path | None = None
    model_key: Path | None = None
    require_model_signature: bool = False

    share: Path | None = None
    """Socket at which other processes of this host attach to the window."""
    agents: int = 1
    """How many of them; the sender is joined when they are here."""
    agent_wait: float = 60.0
    """Seconds that they are waited for."""
    agent_patience: float = 30.0
    """Seconds after which one that holds memory and does nothing is cut off."""
    window_mode: int = 0o600
    """Who may use the socket."""
    window_of: Path | None = None
    """Socket of the host whose window this receiver is an agent of."""

    timeout: float = 30.0
    """Seconds of silence after which it gives up."""
    metrics: str | None = None
    """[HOST:]PORT at which counters are served for Prometheus."""
    loss: float = 0.0
    """Share of packets to lose, for trying."""
    seed: int = 0

    @property
    def alone(self) -> bool:
        """Nothing but HTTP ranges, and nobody is told."""
        return self.fallback_only and self.sender is None and self.join is None

    @property
    def on_disk(self) -> bool:
        """Whether the weights are placed in `output`."""
        return self.weights != "gpu"

    @property
    def on_device(self) -> bool:
        return self.device is not None

    def filled(self) -> Settings:
        """The same with what follows from the rest."""
        usual: Weights = "disk" if self.device is None else "both"
        return replace(self, weights=self.weights or usual)


def check(settings: Settings) -> None:
    """Raise UsageError with everything that contradicts itself."""
    if found := problems(settings):
        raise UsageError("\n".join(found))


def problems(settings: Settings) -> list[str]:
    """Everything that contradicts itself, each with what to do."""
    found = [*_name(settings), *_fallback(settings)]
    if settings.window_of is None:
        found += _join(settings)
    return [*found, *_sharing(settings), *_rest(settings)]


def metrics_address(text: str) -> tuple[str, int]:
    """Return host and port of `[HOST:]PORT`; this host alone can ask where no host is said."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise UsageError(f"--metrics {text}: not [HOST:]PORT (127.0.0.1:9102)")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def _name(settings: Settings) -> list[str]:
    from toolkit.inventory.identifier import parse_name
    from toolkit.inventory.refusal import Refusal

    try:
        parse_name(settings.name)
    except Refusal as refusal:
        remedy = f" ({refusal.remedy})" if refusal.remedy else ""
        return [f"--name {settings.name}: {refusal.reason}{remedy}"]
    return []


def _fallback(settings: Settings) -> list[str]:
    found = []
    url = settings.fallback
    if settings.fallback_only and url is None:
        found.append("--fallback-only needs --fallback URL")
    if url == "service" and settings.join is None:
        found.append("--fallback service goes with --join URL")
    if not 0 <= settings.fallback_after < 1e6:
        found.append(f"--fallback-after {settings.fallback_after:g}: must not be negative")
    if settings.alone and url is not None and "{path}" in url:
        found.append(
            f"--fallback {url}: files alone are not enough without a sender (name a folder that "
            "has the manifest, or --sender)"
        )
    return found


def _join(settings: Settings) -> list[str]:
    ends = {"--listen": settings.listen, "--sender": settings.sender, "--group": settings.group}
    if settings.join is not None:
        clashing = [flag for flag in ("--sender", "--group") if ends[flag] is not None]
        return [f"{', '.join(clashing)}: --join learns that (leave it out)"] if clashing else []
    found = []
    missing = [flag for flag in ("--listen", "--sender") if ends[flag] is None]
    if missing and not (settings.fallback_only and len(missing) == 2):
        found.append(f"{' and '.join(missing)} missing (or --join URL, where a service is)")
    elif not missing and (settings.feedback != "udp" or settings.session is not None):
        found.append("--feedback and --session go with --join")
    return found


def _sharing(settings: Settings) -> list[str]:
    found = []
    if settings.share is not None and settings.window_of is not None:
        found.append("--share and --window-of: a host or an agent of one, not both (leave one out)")
    if not 1 <= settings.agents <= MOST_AGENTS:
        found.append(f"--agents {settings.agents}: 1 to {MOST_AGENTS} are possible")
    if not 0 < settings.agent_wait < 1e9:
        found.append(f"--agent-wait {settings.agent_wait:g}: must be positive")
    if not 0 < settings.agent_patience < 1e9:
        found.append(f"--agent-patience {settings.agent_patience:g}: must be positive")
    network = {
        "--join": settings.join, "--sender": settings.sender, "--listen": settings.listen,
        "--group": settings.group, "--fallback": settings.fallback,
        "--seal-key": settings.seal_key, "--control-token": settings.control_token,
    }  # fmt: skip
    given = [flag for flag, value in network.items() if value is not None]
    if settings.window_of is not None and given:
        found.append(
            f"{', '.join(given)}: the host of the window talks to the sender (leave it out beside "
            "--window-of)"
        )
    return found


def _rest(settings: Settings) -> list[str]:
    found = []
    if not 0 < settings.timeout < 1e9:
        found.append(f"--timeout {settings.timeout:g}: must be positive")
    if settings.window < LEAST_WINDOW:
        found.append(
            f"--window {settings.window}: too little for a few blocks (16M is the least, "
            "256M usual)"
        )
    if settings.require_model_signature and settings.model_key is None:
        found.append("--require-model-signature: --model-key is missing, who must have signed?")
    if settings.metrics is not None:
        try:
            metrics_address(settings.metrics)
        except UsageError as error:
            found.append(str(error))
    return found + _device(settings)


def _device(settings: Settings) -> list[str]:
    found = []
    if settings.device is None:
        if settings.weights in ("gpu", "both"):
            found.append(f"--weights {settings.weights}: needs a device (--gpu N, or --gpu cpu)")
        if settings.world != 1 or settings.rank or settings.shard:
            found.append(
                "--rank, --world, --shard: slices are for a device, files stay whole (--gpu N)"
            )
        if not settings.check_device:
            found.append(
                "--no-device-check: there is no device to check (--gpu N, or leave it out)"
            )
    elif settings.weights == "disk":
        found.append(
            f"--weights disk: then --gpu {settings.device} has nothing to do (leave one out)"
        )
    bare = settings.share is not None and settings.device is None
    if settings.output is None and (settings.on_disk or settings.device is None) and not bare:
        found.append(
            "--output missing: the folder to place the files in (only --weights gpu goes without)"
        )
    if settings.world < 1 or not 0 <= settings.rank < max(settings.world, 1):
        found.append(
            f"--rank {settings.rank} --world {settings.world}: ranks are 0 to W-1 of W processes"
        )
    if settings.shard and settings.world == 1:
        found.append("--shard: says how tensors are cut for --world W processes (name W)")
    found += [
        f"--shard {pattern}={dim}: a dimension is 0 (rows), 1 (columns), ... (PATTERN=DIM)"
        for pattern, dim in settings.shard
        if not pattern or (dim is not None and dim < 0)
    ]
    if not settings.on_disk and (settings.model_key or settings.model_signature):
        found.append(
            "--model-key, --model-signature: the publisher's signature is checked over files on "
            "disk (--weights both)"
        )
    return found
