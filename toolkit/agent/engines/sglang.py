"""SGLang: `--load-format llmsync`.

`register` is an entry point of the group `sglang.srt.plugins`, which SGLang calls in each of its
processes.  SGLang takes a loader's class in place of a format's name; a hook, registered as its
plugins do, puts the class there when the name is ours.  The loader is SGLang's own but for where
the tensors come from, as for vLLM.  Written against SGLang 0.5.23.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

from toolkit.agent.engines.feed import feed
from toolkit.agent.engines.options import read_options

LOAD_FORMAT = "llmsync"
_TARGET = "sglang.srt.configs.load_config.LoadConfig._verify_load_format"

log = logging.getLogger(__name__)


def register() -> None:
    """Make the load format known; calling it again changes nothing."""
    from sglang.srt.arg_groups.choices import LOAD_FORMAT_CHOICES
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType

    if LOAD_FORMAT not in LOAD_FORMAT_CHOICES:
        LOAD_FORMAT_CHOICES.append(LOAD_FORMAT)
        HookRegistry.register(_TARGET, verify_load_format, HookType.AROUND)


def verify_load_format(original: Callable[[Any], None], load_config: Any) -> None:  # noqa: ANN401
    """Stand around `LoadConfig._verify_load_format`."""
    if load_config.load_format == LOAD_FORMAT:
        load_config.load_format = _loader_class()
    else:
        original(load_config)


def _loader_class() -> type:
    from sglang.srt.model_loader.loader import DefaultModelLoader

    class LlmsyncModelLoader(DefaultModelLoader):  # type: ignore[misc]
        """Weights from a delivery; configuration and tokenizer are in the model's folder."""

        def __init__(self, load_config: Any) -> None:  # noqa: ANN401
            # Its own options would be refused by DefaultModelLoader, which checks those of files.
            plain = copy(load_config)
            plain.model_loader_extra_config = {}
            super().__init__(plain)
            self.load_config = load_config

        def download_model(self, model_config: Any) -> None:  # noqa: ANN401
            """Nothing: the weights come when they are asked for."""

        def _get_all_weights(self, model_config: Any, model: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
            del model_config
            device = next(model.parameters()).device
            options = read_options(
                self.load_config.model_loader_extra_config, os.environ,
                rank=self.load_config.tp_rank or 0, device=str(device),
            )  # fmt: skip
            yield from feed(options, log.info)

    return LlmsyncModelLoader
