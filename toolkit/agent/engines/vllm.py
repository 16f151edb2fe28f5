"""vLLM: `--load-format llmsync`.

`register` is an entry point of the group `vllm.general_plugins`, which vLLM calls in each of its
processes.  The loader is vLLM's own but for where the tensors come from: each worker runs a
receiver, and its model's `load_weights` takes whole tensors as they become ready on the worker's
device and keeps its own part of them.  Written against vLLM 0.33.0.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from copy import copy
from typing import Any

from toolkit.agent.engines.feed import feed
from toolkit.agent.engines.options import read_options

LOAD_FORMAT = "llmsync"


def register() -> None:
    """Make the load format known; calling it again changes nothing."""
    from vllm.model_executor import model_loader

    known = model_loader._LOAD_FORMAT_TO_MODEL_LOADER
    if LOAD_FORMAT not in known:
        model_loader.register_model_loader(LOAD_FORMAT)(_loader_class())


def _loader_class() -> type:
    from vllm.distributed import parallel_state
    from vllm.logger import init_logger
    from vllm.model_executor.model_loader.default_loader import DefaultModelLoader

    logger = init_logger("vllm.llmsync")

    class LlmsyncModelLoader(DefaultModelLoader):  # type: ignore[misc]
        """Weights from a delivery; configuration and tokenizer are in the model's folder."""

        counter_before_loading_weights: float = 0.0
        worker_device = ""
        """Of this process; during `reload_weights` the parameters are on the meta device."""

        def __init__(self, load_config: Any) -> None:  # noqa: ANN401
            # Its own options would be refused by DefaultModelLoader, which checks those of files.
            plain = copy(load_config)
            plain.model_loader_extra_config = {}
            super().__init__(plain)
            self.load_config = load_config

        def download_model(self, model_config: Any) -> None:  # noqa: ANN401
            """Nothing: the weights come when they are asked for."""

        def get_all_weights(self, model_config: Any, model: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
            """Receive once; called for the first load, and by `reload_weights`."""
            del model_config
            held = str(next(model.parameters()).device)
            if held != "meta":
                type(self).worker_device = held
            options = read_options(
                self.load_config.model_loader_extra_config, os.environ,
                rank=parallel_state.get_world_group().rank_in_group,
                device=type(self).worker_device,
            )  # fmt: skip
            if self.counter_before_loading_weights == 0.0:
                self.counter_before_loading_weights = time.perf_counter()
            yield from feed(options, logger.info)
            for source in getattr(model, "secondary_weights", ()):
                yield from self._get_weights_iterator(source)

    return LlmsyncModelLoader
