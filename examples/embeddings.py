"""Serve a model from tensors that a delivery has put onto the device.

A sentence encoder (all-MiniLM-L6-v2) is received, verified and put into device memory; its module
is built from the config.json that came with it, takes the tensors as its parameters without a copy,
and answers over HTTP.  Nothing is read from a hub, and the weights are on no disk.

    pip install 'llmsync[gpu]' transformers
    llmsync send MODEL_FOLDER --to here=127.0.0.1:4001 --control 127.0.0.1:4002 --key key
    python examples/embeddings.py --name here --listen 127.0.0.1:4001 --sender 127.0.0.1:4002 \
        --folder out/minilm --gpu cpu --http 127.0.0.1:8080
    curl -d '{"texts": ["one model", "many clouds"]}' http://127.0.0.1:8080/embed

POST /embed answers 503 until the model is there; GET /healthz likewise, with what is missing;
GET /metrics is for Prometheus.  With --updates each further delivery becomes live between two
batches, and answers name the version that they are of.  docs/how-to/serve.md goes through it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from toolkit.agent import Settings, receive, update
from toolkit.errors import DeliveryError, ToolkitError, UnreachableError
from toolkit.gpu.gate import StepGate
from toolkit.gpu.model import DeviceModel

MOST_TEXTS = 256
"""Of one request."""
LONGEST = 256
"""Tokens of a text; what is behind them does not count."""


@contextmanager
def parameters_on_meta() -> Iterator[None]:
    """Modules that are made inside have parameters without memory; their buffers are real.

    A buffer that no file holds (position numbers, rotary frequencies) is computed by its module
    when it is made, and would be lost on the meta device.
    """
    import torch

    plain = torch.nn.Module.register_parameter

    def register(module: Any, name: str, value: Any) -> None:
        meta = None if value is None else torch.nn.Parameter(value.to("meta"), value.requires_grad)
        plain(module, name, meta)

    torch.nn.Module.register_parameter = register
    try:
        yield
    finally:
        torch.nn.Module.register_parameter = plain


def warm() -> None:
    """Import what takes seconds before the weights come, not after."""
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    del AutoConfig, AutoModel, AutoTokenizer


def build(config: dict[str, Any]) -> Any:
    """Return the module that a config.json describes, its parameters without memory."""
    from transformers import AutoConfig, AutoModel

    with parameters_on_meta():
        return AutoModel.from_config(AutoConfig.for_model(**config)).eval()


class Encoder:
    """Texts to vectors: the mean over a text's tokens, of length 1."""

    def __init__(self, folder: Path, module: Any, live: DeviceModel | None = None) -> None:
        from transformers import AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.module = module
        self.live = live
        """What the device holds of the delivery; None: the module came from elsewhere."""
        self.gate = StepGate()
        """A batch is a step: the weights change between two of them."""

    def embed(self, texts: list[str]) -> tuple[str, Any]:
        """Return the version and a tensor on the host, one row for each text."""
        import torch

        device = next(self.module.parameters()).device
        tokens = self._tokenizer(
            texts, padding=True, truncation=True, max_length=LONGEST, return_tensors="pt"
        ).to(device)
        with self.gate.step(), torch.inference_mode():
            version = "" if self.live is None else self.live.digest.hex()
            states = self.module(**tokens).last_hidden_state
            mask = tokens["attention_mask"].unsqueeze(-1).to(states.dtype)
            mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
            return version, torch.nn.functional.normalize(mean, dim=1).cpu()


class Service:
    """The HTTP face of one encoder, which may still be on its way."""

    def __init__(self) -> None:
        self.encoder: Encoder | None = None
        """None: it has not come yet."""
        self.tensors = 0
        """That have come."""
        self.updates = {"taken": 0, "failed": 0}
        self.failure = ""
        self.steps: dict[str, float] = {}
        """Step of the cold start -> seconds after its beginning."""
        self.requests = {"ok": 0, "refused": 0, "early": 0}
        self.texts = 0
        self.seconds = 0.0

    def application(self) -> web.Application:
        app = web.Application(client_max_size=2**20)
        app.add_routes(
            [
                web.post("/embed", self.embed),
                web.get("/healthz", self.health),
                web.get("/metrics", self.metrics),
            ]
        )
        return app

    async def embed(self, request: web.Request) -> web.Response:
        encoder = self.encoder
        if encoder is None:
            self.requests["early"] += 1
            return web.json_response(
                {"error": self._why()}, status=503, headers={"Retry-After": "1"}
            )
        try:
            texts = read_texts(await request.text())
        except ValueError as error:
            self.requests["refused"] += 1
            return web.json_response({"error": str(error)}, status=400)
        begin = time.monotonic()
        version, vectors = await asyncio.to_thread(encoder.embed, texts)
        self.seconds += time.monotonic() - begin
        self.requests["ok"] += 1
        self.texts += len(texts)
        return web.json_response({"version": version, "embeddings": vectors.tolist()})

    async def health(self, _: web.Request) -> web.Response:
        ready = self.encoder is not None
        live = None if self.encoder is None else self.encoder.live
        version = "" if live is None else live.digest.hex()
        document = {"ready": ready, "tensors": self.tensors, "version": version}
        if not ready:
            document["why"] = self._why()
        return web.json_response(document, status=200 if ready else 503)

    async def metrics(self, _: web.Request) -> web.Response:
        lines = [
            "# TYPE embeddings_ready gauge",
            f"embeddings_ready {int(self.encoder is not None)}",
            "# TYPE embeddings_tensors gauge",
            f"embeddings_tensors {self.tensors}",
            "# TYPE embeddings_requests_total counter",
            *(f'embeddings_requests_total{{end="{k}"}} {v}' for k, v in self.requests.items()),
            "# TYPE embeddings_updates_total counter",
            *(f'embeddings_updates_total{{end="{k}"}} {v}' for k, v in self.updates.items()),
            "# TYPE embeddings_texts_total counter",
            f"embeddings_texts_total {self.texts}",
            "# TYPE embeddings_model_seconds_total counter",
            f"embeddings_model_seconds_total {self.seconds:.6f}",
            "# TYPE embeddings_cold_start_seconds gauge",
            *(
                f'embeddings_cold_start_seconds{{step="{k}"}} {v:.6f}'
                for k, v in self.steps.items()
            ),
        ]
        return web.Response(text="\n".join(lines) + "\n")

    def _why(self) -> str:
        return self.failure or f"the model is on its way: {self.tensors} tensors are here"


def read_texts(body: str) -> list[str]:
    """Return the texts of a request; ValueError says what is wrong with it."""
    try:
        texts = json.loads(body)["texts"]
    except (ValueError, TypeError, KeyError):
        raise ValueError('the body must be JSON such as {"texts": ["one", "two"]}') from None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("texts: must be a list of texts")
    if not 0 < len(texts) <= MOST_TEXTS:
        raise ValueError(f"texts: {len(texts)} of them; 1 to {MOST_TEXTS} may be asked for")
    return texts


async def load(service: Service, settings: Settings) -> dict[str, bytes]:
    """Receive the model into the device's memory, and let the service begin.

    Returns the files beside the weights.
    """
    assert settings.output is not None
    await asyncio.to_thread(warm)
    async with receive(settings, tell=logging.info) as receiver:
        # The module is made while the weights are still coming.
        config = json.loads(await receiver.file("config.json"))
        module = await asyncio.to_thread(build, config)
        async for _ in receiver.tensors():
            service.tensors += 1
        # Old files hold buffers that today's module computes, so not strict; but nothing may lack.
        await receiver.load_into(module, strict=False)
        missing = [name for name, p in module.named_parameters() if p.is_meta]
        if missing:
            raise DeliveryError(f"the delivery has no tensor {', '.join(missing)}")
        outcome = await receiver.finished()
        files, live = dict(receiver.files), receiver.model
    device = next(module.parameters()).device
    encoder = await asyncio.to_thread(Encoder, settings.output, module.to(device), live)
    service.steps = {str(span.step): span.at for span in outcome.timeline.spans()}
    service.encoder = encoder
    return files


async def follow(service: Service, settings: Settings, files: dict[str, bytes]) -> None:
    """Take each further delivery between two batches; one that fails changes nothing."""
    encoder = service.encoder
    assert encoder is not None
    assert encoder.live is not None
    while True:
        try:
            async with update(encoder.live, settings, files=files, tell=logging.info) as coming:
                ready = await coming.ready()
                beside = dict(coming.files)
        except UnreachableError:
            continue  # Nobody sends: wait on.
        except ToolkitError as error:
            service.updates["failed"] += 1
            logging.error("no update: %s", error)
            await asyncio.sleep(1)
            continue
        await encoder.gate.applied(ready)
        ready.release()
        files = beside
        service.updates["taken"] += 1
        logging.info("version %s is live", ready.version.hex()[:16])


def main(arguments: list[str] | None = None) -> int:
    """Serve until it is stopped."""
    args = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    if args.threads:
        import torch

        torch.set_num_threads(args.threads)
    settings = Settings(
        name=args.name, listen=args.listen, sender=args.sender, join=args.join,
        token_file=args.token_file, ca=args.ca, trust=args.trust, output=args.folder,
        window_of=args.window_of, device=args.gpu, weights="gpu", timeout=args.timeout,
    )  # fmt: skip
    service = Service()
    app = service.application()

    @asynccontextmanager
    async def loading(_: web.Application) -> AsyncIterator[None]:
        async def work() -> None:
            try:
                files = await load(service, settings)
                logging.info("%s: ready, %d tensors", args.name, service.tensors)
                if args.updates:
                    await follow(service, settings, files)
            except ToolkitError as error:
                service.failure = str(error)
                logging.error("%s", error)
                signal.raise_signal(signal.SIGTERM)

        task = asyncio.create_task(work())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    app.cleanup_ctx.append(loading)
    host, _, port = args.http.rpartition(":")
    web.run_app(app, host=host or "127.0.0.1", port=int(port), print=None)
    return 1 if service.failure else 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--name", required=True, help="our name, as the sender lists it")
    parser.add_argument("--listen", metavar="HOST:PORT", help="our address in the sender's --to")
    parser.add_argument("--sender", metavar="HOST:PORT", help="the sender's --control address")
    parser.add_argument("--join", metavar="URL", help="a service that tells us all that, instead")
    parser.add_argument(
        "--window-of", type=Path, metavar="SOCKET", help="a receiver of this host, instead"
    )
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="our token there")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="authority of its certificate")
    parser.add_argument("--trust", type=Path, metavar="FILE", help="key that signed the model")
    parser.add_argument(
        "--folder", required=True, type=Path, metavar="DIR",
        help="for configuration and tokenizer; the weights are on the device alone",
    )  # fmt: skip
    parser.add_argument("--gpu", default="cpu", metavar="cpu|N", help="device (default: cpu)")
    parser.add_argument("--http", default="127.0.0.1:8080", metavar="HOST:PORT")
    parser.add_argument(
        "--timeout", type=float, default=30.0, metavar="SECONDS", help="give up after such silence"
    )
    parser.add_argument(
        "--updates", action="store_true", help="take each further delivery between two batches"
    )
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="of torch on the CPU")
    args = parser.parse_args(arguments)
    if args.updates and args.window_of:
        parser.error("--updates: an update comes by a receiver of our own, not by --window-of")
    return args


if __name__ == "__main__":
    sys.exit(main())
