"""The memory laboratory on the demonstration network: its speed, and what repairs cost there.

Repairs are held against two peers by model (i.i.d. loss p, N receivers, ideal feedback): the floor
p/(1-p) that each receiver must get again, and repair by multicasting originals to everybody, where
each packet that anybody lost goes out again to all.  Ends with one JSON line.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from toolkit.cli.loading import load_plan
from toolkit.lab.deliver import DeliveryRun, scan
from toolkit.lab.model import generate
from toolkit.lab.scenario import Scenario
from toolkit.plan.intended import intended_state
from toolkit.planes.derive import Network

DEMO = Path(__file__).parent.parent / "inventories" / "demo"


def main() -> None:
    _, plan, _ = load_plan(DEMO)
    flow = plan.flows[0]
    figures: dict[str, object] = {"bench": "lab", "clouds": len(flow.clouds)}
    with tempfile.TemporaryDirectory() as folder:
        model = generate(Path(folder) / "model")
        for loss in (0.0, 0.01, 0.05):
            work = Path(folder) / f"clouds-{loss}"
            start = time.perf_counter()
            run = DeliveryRun(
                plan,
                flow,
                Network(intended_state(plan)),
                Scenario(loss=loss),
                scan(model, flow),
                work,
                "bench",
            )
            delivered = run.run()
            took = time.perf_counter() - start
            result = delivered.result
            if not result.complete:
                raise SystemExit(f"loss {loss}: incomplete")
            received = [c.repaired / result.packets for c in result.clouds]
            # mean of the largest of N geometric numbers, less one
            again = sum(1 - (1 - loss**n) ** len(flow.clouds) for n in range(1, 60))
            figures[f"loss_{loss:g}"] = {
                "seconds": round(took, 2),
                "mbyte_per_s_delivered": round(result.size * len(result.clouds) / took / 1e6),
                "events_per_s": round(delivered.events / took),
                "sender_extra_percent": round(100 * result.repairs / result.packets, 2),
                "receiver_extra_percent": round(100 * sum(received) / len(received), 2),
                "floor_percent": round(100 * loss / (1 - loss), 2),
                "repair_to_all_percent": round(100 * again, 2),
                "duplicates": sum(c.duplicates for c in result.clouds),
            }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
