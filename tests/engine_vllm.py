"""A vLLM worker's load of a tiny model, with vLLM's own code: one process, one rank of `world`.

    python engine_vllm.py FOLDER RANK WORLD PORT OPTIONS [again]

FOLDER holds config.json alone; the weights come by `--load-format llmsync` with OPTIONS (JSON).
Prints JSON: digests of the parameters after the load, and with `again` after `reload_weights`.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from importlib.metadata import entry_points
from typing import Any

os.environ["VLLM_TARGET_DEVICE"] = "cpu"
os.environ["VLLM_LOGGING_LEVEL"] = "ERROR"


def digests(module: Any) -> dict[str, str]:
    return {
        name: hashlib.sha256(p.detach().contiguous().numpy().tobytes()).hexdigest()
        for name, p in module.named_parameters()
    }


def main(folder: str, rank: int, world: int, port: int, options: str, *more: str) -> None:
    import torch

    torch.set_num_threads(1)
    from vllm.plugins import load_general_plugins

    if "llmsync" not in entry_points(group="vllm.general_plugins").names:
        from toolkit.agent.engines.vllm import register

        register()
    load_general_plugins()
    from vllm.config import set_current_vllm_config
    from vllm.distributed import ensure_model_parallel_initialized, init_distributed_environment
    from vllm.engine.arg_utils import EngineArgs
    from vllm.model_executor.model_loader import get_model
    from vllm.model_executor.model_loader.reload.inplace import reload_weights
    from vllm.v1.worker.cpu_model_runner import _set_torch_accelerator_to_noop

    _set_torch_accelerator_to_noop()
    arguments = EngineArgs(
        model=folder, load_format="llmsync", skip_tokenizer_init=True, enforce_eager=True,
        dtype="float32", max_model_len=64, tensor_parallel_size=world,
        model_loader_extra_config=json.loads(options),
    )  # fmt: skip
    config = arguments.create_engine_config()
    with set_current_vllm_config(config):
        init_distributed_environment(world, rank, f"tcp://127.0.0.1:{port}", rank, backend="gloo")
        ensure_model_parallel_initialized(world, 1)
        model = get_model(vllm_config=config)
        found = {"first": digests(model)}
        if "again" in more:
            places = {name: p.data_ptr() for name, p in model.named_parameters()}
            reload_weights(config, model, None, None, is_checkpoint_format=True)
            found["again"] = digests(model)
            same = places == {name: p.data_ptr() for name, p in model.named_parameters()}
            found["in_place"] = same  # type: ignore[assignment]
    sys.stdout.write("RESULT " + json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), *sys.argv[5:])
