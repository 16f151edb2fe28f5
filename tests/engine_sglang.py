"""A SGLang scheduler's load of a tiny model, with SGLang's own code: one rank of `world`.

    python engine_sglang.py FOLDER RANK WORLD PORT OPTIONS

As engine_vllm.py.
"""

from __future__ import annotations

import hashlib
import json
import sys
from importlib.metadata import entry_points
from typing import Any


def digests(module: Any) -> dict[str, str]:
    return {
        name: hashlib.sha256(p.detach().contiguous().numpy().tobytes()).hexdigest()
        for name, p in module.named_parameters()
    }


def main(folder: str, rank: int, world: int, port: int, options: str) -> None:
    import torch

    torch.set_num_threads(1)
    from sglang.srt.plugins import load_plugins

    if "llmsync" not in entry_points(group="sglang.srt.plugins").names:
        from toolkit.agent.engines.sglang import register

        register()
    load_plugins()
    from sglang.srt.configs.device_config import DeviceConfig
    from sglang.srt.configs.model_config import ModelConfig
    from sglang.srt.distributed import init_distributed_environment, initialize_model_parallel
    from sglang.srt.model_executor.model_runner_components.load_model_utils import build_load_config
    from sglang.srt.model_loader import get_model
    from sglang.srt.runtime_context import SpawnRanks, publish
    from sglang.srt.server_args import prepare_server_args

    arguments = prepare_server_args(
        [
            "--model-path", folder, "--load-format", "llmsync", "--device", "cpu",
            "--skip-tokenizer-init", "--dtype", "float32", "--tp-size", str(world),
            "--model-loader-extra-config", options,
        ]
    )  # fmt: skip
    publish(arguments, role="scheduler", ranks=SpawnRanks(world_rank=rank, gpu_id=rank))
    init_distributed_environment(
        world_size=world, rank=rank, local_rank=rank, backend="gloo",
        distributed_init_method=f"tcp://127.0.0.1:{port}",
    )  # fmt: skip
    initialize_model_parallel(backend="gloo")
    load_config = build_load_config(
        server_args=arguments, tp_rank=rank, draft_model_idx=None, weight_cache_mode="off",
        weight_cache_socket=None, remote_instance_weight_transporter_engine=None,
        remote_instance_weight_transporter_session_id="",
    )  # fmt: skip
    model = get_model(
        model_config=ModelConfig.from_server_args(arguments), load_config=load_config,
        device_config=DeviceConfig("cpu"),
    )  # fmt: skip
    sys.stdout.write("RESULT " + json.dumps({"first": digests(model)}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
