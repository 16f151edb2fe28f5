"""A receiver's /metrics: the text is what Prometheus reads, and says how the delivery stands."""

from __future__ import annotations

import re
import threading
from contextlib import closing
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
from agent_site import Sending, wait_until
from test_service_metrics import parse

from toolkit.agent.metrics import Figures, Phase, exposition
from toolkit.agent.session import open_session
from toolkit.agent.settings import Settings
from toolkit.bier.runtime_metrics import MetricsServer
from toolkit.delivery.model import Counters
from toolkit.errors import EnvironmentProblem


def test_the_text_of_all_figures() -> None:
    counters = Counters(packets=5, bytes=500, polluted=1, refused={"malformed": 2})
    figures = Figures(
        receiver='f"ra', delivery="m\\odel\n", device="cuda:0 NVIDIA H200", phase=Phase.RECEIVING,
        size=1000, verified=250, window=64, window_used=16, window_held=8, tensors=4,
        tensors_ready=1, device_bytes=900, device_checked=300, device_free=10, device_total=20,
        counters=counters, steps={"announce": 0.5, "first-byte": 1.25},
    )  # fmt: skip
    _, samples = parse(exposition(figures, "1.0"))
    own = (
        ("receiver", 'f"ra'), ("delivery", "m\\odel\n"), ("device", "cuda:0 NVIDIA H200"),
    )  # fmt: skip
    assert samples["llmsync_info", (("version", "1.0"),)] == 1
    for name, value in {
        "bytes_total": 500, "verified_bytes": 250, "size_bytes": 1000, "window_limit_bytes": 64,
        "window_used_bytes": 16, "window_held_bytes": 8, "polluted_total": 1, "tensors": 4,
        "tensors_ready": 1, "device_bytes": 900, "device_checked_bytes_total": 300,
        "device_memory_free_bytes": 10, "device_memory_bytes": 20,
    }.items():  # fmt: skip
        assert samples[f"llmsync_receive_{name}", own] == value, name
    assert samples["llmsync_receive_refused_total", (*own, ("kind", "malformed"))] == 2
    assert samples["llmsync_receive_step_seconds", (*own, ("step", "first-byte"))] == 1.25
    states = {k[1][-1][1]: n for k, n in samples.items() if k[0] == "llmsync_receive_state"}
    assert states == {"opening": 0, "joining": 0, "receiving": 1, "complete": 0, "failed": 0}


def test_the_reference_has_every_metric_and_no_other() -> None:
    page = (Path(__file__).parent.parent / "docs" / "reference" / "receiver.md").read_text()
    told = set(re.findall(r"`(llmsync_\w+)", page))
    figures = Figures(
        receiver="fra", device_bytes=1, device_checked=1, device_free=1, device_total=1,
        counters=Counters(refused={"malformed": 1}), steps={"join": 1.0},
    )  # fmt: skip
    _, samples = parse(exposition(figures, "1.0"))
    assert told == {name for name, _ in samples}


def test_without_a_device_there_is_nothing_of_one() -> None:
    _, samples = parse(exposition(Figures(receiver="fra"), "1.0"))
    assert not [name for name, _ in samples if "device_" in name]
    assert {dict(labels).get("device", "none") for _, labels in samples} == {"none"}


def test_a_session_is_watched_while_it_runs_and_no_longer(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "weights.bin").write_bytes(bytes(range(256)) * 4000)
    with Sending(model, "fra", held=500_000) as sending:
        told = Settings(**sending.settings(  # type: ignore[arg-type]
            "fra"), output=tmp_path / "out", metrics="0", window=64_000_000)  # fmt: skip
        session = open_session(told)
        with session:
            url = session.metrics_at
            runner = threading.Thread(target=session.run)
            runner.start()

            def value(name: str) -> float:
                with urlopen(url) as answer:
                    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
                    _, samples = parse(answer.read().decode())
                return next(v for (n, _), v in samples.items() if n == f"llmsync_receive_{name}")

            wait_until(lambda: value("verified_bytes") > 0)
            assert 0 < value("verified_bytes") < value("size_bytes") == 256 * 4000
            assert value("blocks_verified") < value("blocks")
            assert value("window_limit_bytes") == 64_000_000
            with pytest.raises(HTTPError, match="404"):
                urlopen(url.replace("/metrics", "/"))
            sending.go()
            runner.join(60)
            assert value("verified_bytes") == value("size_bytes")
            assert value("blocks_verified") == value("blocks") > 0
        with pytest.raises(URLError):
            urlopen(url)
    assert (tmp_path / "out" / "weights.bin").stat().st_size == 256 * 4000


def test_a_port_that_somebody_has(tmp_path: Path) -> None:
    with closing(MetricsServer("127.0.0.1", 0, str)) as server:
        port = server.address.rpartition(":")[2]
        session = open_session(
            Settings(
                name="fra", listen="127.0.0.1:0", sender="127.0.0.1:9", output=tmp_path / "out",
                metrics=port,
            )
        )  # fmt: skip
        with pytest.raises(EnvironmentProblem, match=f"--metrics 127.0.0.1:{port}: .*free port"):
            session.__enter__()
    assert not list(tmp_path.iterdir()), "nothing was left behind"
