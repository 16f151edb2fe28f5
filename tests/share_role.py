"""One receiver of a test in a process of its own: a host of a window, or an agent of one.

    share_role.py '{"name": ..., settings..., "hold": BYTES, "model": FILE}'

Says on stdout, a line of JSON each: what it holds at (and waits for a line on stdin), and how it
ended.  With a model it compares every tensor on its device with that file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from toolkit.agent.session import ReceivingSession, open_session
from toolkit.agent.settings import Settings
from toolkit.delivery.events import ReceiverOutput
from toolkit.errors import ToolkitError

PATHS = ("output", "share", "window_of", "trust")


def main() -> int:
    """Run it; return the exit code that `llmsync` would."""
    words: dict[str, Any] = json.loads(sys.argv[1])
    hold: int | None = words.pop("hold", None)
    model: str | None = words.pop("model", None)
    settings = Settings(**{k: Path(v) if k in PATHS else v for k, v in words.items()})
    session = open_session(settings, tell)

    def watch(outputs: list[ReceiverOutput]) -> None:
        nonlocal hold
        del outputs
        if hold is not None and session.counters.bytes >= hold:
            hold = None
            say(held=session.counters.bytes)
            sys.stdin.readline()

    try:
        with session:
            session.run(watch)
            if session.error is not None:
                raise session.error
            say(**session.document(), equal=model and equal(session, Path(model)))
    except ToolkitError as error:
        say(error=str(error), code=int(error.exit_code))
        return error.exit_code
    return 0


def equal(session: ReceivingSession, model: Path) -> int:
    """Return how many tensors there are on the device, each the same as in the file."""
    from safetensors.numpy import load_file

    held, count = session.model, 0
    assert held is not None
    for name, array in load_file(model).items():
        tensor = held.tensor(name)
        assert tensor.cpu().numpy().tobytes() == array.tobytes(), name
        count += 1
    return count


def say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def tell(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
