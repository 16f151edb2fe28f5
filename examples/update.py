"""Serve a model, and roll new versions out into it while it serves.

A small network (the layer sizes are in its config.json, the weights in safetensors) is received
into device memory and runs step after step.  Each further delivery of the same model is received
beside it: only what changed travels and takes memory.  Between two steps it becomes live; where its
answers are not numbers it is rolled back at once.

    pip install 'llmsync[gpu]'
    python examples/update.py --name here --listen 127.0.0.1:4001 --sender 127.0.0.1:4002
    llmsync send MODEL_FOLDER --to here=127.0.0.1:4001 --control 127.0.0.1:4002 --key key

and then `llmsync send` again, with a new version in the folder.  docs/how-to/update.md goes
through it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import Any

from toolkit.agent import Settings, receive, update
from toolkit.errors import ToolkitError
from toolkit.gpu.gate import StepGate


def build(sizes: list[int]) -> Any:
    """The network, without memory for its weights: these come from the delivery."""
    import torch

    with torch.device("meta"):
        layers = [torch.nn.Linear(a, b) for a, b in pairwise(sizes)]
    return torch.nn.Sequential(*layers).eval()


class Server:
    """Runs steps without end."""

    def __init__(self, module: Any, inputs: int, device: Any) -> None:
        import torch

        self.module = module
        self.gate = StepGate()
        self.steps = 0
        self._inputs = torch.ones(1, inputs, device=device)

    def answer(self) -> float:
        """One step."""
        import torch

        with torch.inference_mode():
            return float(self.module(self._inputs).sum())

    async def run(self) -> None:
        while True:
            async with self.gate.step():
                await asyncio.to_thread(self.answer)
            self.steps += 1


async def serve(settings: Settings, updates: int) -> None:
    """Receive a model, serve it, and take `updates` new versions; 0: without end."""
    async with receive(settings) as receiver:
        sizes = json.loads(await receiver.file("config.json"))["sizes"]
        module = build(sizes)
        await receiver.load_into(module)
        await receiver.finished()
        live, files = receiver.model, dict(receiver.files)
    assert live is not None
    server = Server(module, sizes[0], live.device.handle)
    print(f"version {live.digest.hex()[:16]}: answers {server.answer():.4f}", flush=True)
    serving = asyncio.create_task(server.run())
    taken = 0
    while not updates or taken < updates:
        taken += 1
        try:
            async with update(live, settings, files=files) as coming:
                ready = await coming.ready()
                beside = dict(coming.files)
        except ToolkitError as error:
            print(f"no update: {error}", flush=True)
            continue
        changed, size = len(ready.changed), ready.bytes
        await server.gate.applied(ready)
        async with server.gate.step():
            answer = await asyncio.to_thread(server.answer)
        if answer != answer:  # Not a number: nobody wants this version.
            await server.gate.between_async(partial(ready.rollback, wait=True))
            print(f"version {ready.after.hex()[:16]}: rolled back, it answers {answer}", flush=True)
        else:
            files = beside
            print(
                f"version {ready.version.hex()[:16]}: answers {answer:.4f}; {changed} tensors of "
                f"{size} bytes changed, after {server.steps} steps", flush=True,
            )  # fmt: skip
        ready.release()
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving


def main(arguments: list[str] | None = None) -> int:
    """Return 0 when all updates were taken."""
    parser = argparse.ArgumentParser(description="serve a model and take new versions in place")
    parser.add_argument("--name", required=True, help="our name, as the sender lists it")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--sender", required=True, metavar="HOST:PORT")
    parser.add_argument("--gpu", default="cpu", metavar="cpu|N")
    parser.add_argument("--updates", type=int, default=0, metavar="N", help="end after so many")
    parser.add_argument(
        "--timeout", type=float, default=3600.0, metavar="SECONDS",
        help="how long to wait for a new version (default: %(default)s)",
    )  # fmt: skip
    args = parser.parse_args(arguments)
    settings = Settings(
        name=args.name, listen=args.listen, sender=args.sender, device=args.gpu, weights="gpu",
        timeout=args.timeout,
    )  # fmt: skip
    try:
        asyncio.run(serve(settings, args.updates))
    except ToolkitError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
