"""Files beside the weights first, then the engine.

    python -m toolkit.agent.engines.first MODEL_FOLDER '{"name": "first", "window_of": ...}' \\
        vllm serve MODEL_FOLDER --load-format llmsync ...

An engine reads configuration and tokenizer when it starts, long before it asks for weights.  This
takes part in the delivery until all files beside the weights are verified, writes them to the
folder, and becomes the engine: its weights come while it starts, or are still on their way.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from toolkit.agent.api import receive
from toolkit.agent.engines.options import read_options
from toolkit.agent.settings import Settings
from toolkit.delivery.safetensors import is_weights
from toolkit.errors import DeliveryError, ExitCode, ToolkitError, UsageError

CONFIG = "config.json"
"""Written last: who waits for it finds the others."""
USAGE = "python -m toolkit.agent.engines.first MODEL_FOLDER OPTIONS COMMAND [ARGUMENT ...]"


async def take_files(settings: Settings, folder: Path) -> list[str]:
    """Write the files beside the weights to `folder`; return their paths."""
    async with receive(settings) as receiver:
        config = await receiver.file(CONFIG)
        model = receiver.model
        assert model is not None, "the settings name a device"
        assert model.manifest is not None, "a file came before the manifest"
        others = [f.path for f in model.manifest.files if not is_weights(f.path)]
        others.remove(CONFIG)
        for path in others:
            write(folder / path, await receiver.file(path))
    write(folder / CONFIG, config)
    return [*others, CONFIG]


def write(path: Path, content: bytes) -> None:
    """All of it appears at once."""
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise DeliveryError(f"{path}: {error.strerror or error} (name another folder)") from None


def run(arguments: Sequence[str]) -> None:
    """Take the files and become the command."""
    if len(arguments) < 3:
        raise UsageError(f"usage: {USAGE}")
    folder, text, *command = arguments
    # The weights that come meanwhile are dropped when this ends: no device need hold them.
    options = read_options({}, {"LLMSYNC_RECEIVE": text}, rank=0, device="cpu")
    asyncio.run(take_files(options.settings, Path(folder)))
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise UsageError(f"{command[0]}: {error.strerror or error}") from None


def main() -> int:
    """Exit with what a ToolkitError says."""
    try:
        run(sys.argv[1:])
    except ToolkitError as error:
        sys.stderr.write(f"llmsync: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
