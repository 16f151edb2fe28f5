"""`llmsync receive` into a folder that holds an older version: what changed is fetched."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save
from test_transport_ranges import WEIGHTS, Model, needs_nginx, nginx
from test_transport_udp import Site

from toolkit.cli.main import main
from toolkit.delivery.model import DEFAULT_BLOCK, symbol_size

LAYERS = {f"layer{i:02}": np.full(50_000, i, np.float32) for i in range(20)}
OLD = save(LAYERS)
BLOCK = DEFAULT_BLOCK * symbol_size(1400)


def deliver(site: Site, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, object]:
    """Send to `fra`; return what the sender says."""
    with site.receiving("fra", 0, *more):
        assert main([*site.send_command(*site.to("fra")), "-o", "json"]) == 0
    assert site.codes == {"fra": 0}
    out = capsys.readouterr().out
    document = json.loads(out[out.index("{\n") : out.index("\n}") + 2])
    assert isinstance(document, dict)
    return document


def packets(size: int) -> int:
    return -(-size // symbol_size(1400))


def test_a_tensor_that_changed_and_a_header_that_grew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = Site(tmp_path)
    (site.model / "m.safetensors").write_bytes(OLD)
    whole = deliver(site, capsys)
    assert int(str(whole["packets"])) >= packets(len(OLD))
    layers = {**LAYERS, "layer07": np.full(50_000, 70, np.float32)}
    new = save(layers, metadata={"format": "pt", "note": "x" * 100})
    (site.model / "m.safetensors").write_bytes(new)
    delta = deliver(site, capsys)
    assert site.placed("fra")["m.safetensors"] == new
    # The tensor's own bytes, the blocks at its edges and at the header, digests, FDT, manifest.
    assert int(str(delta["packets"])) <= packets(200_000 + 4 * BLOCK) + 20
    assert delta["repairs"] == 0
    again = deliver(site, capsys)
    assert int(str(again["packets"])) <= 10, "nothing has changed, and nothing is sent"


def test_a_file_that_was_spoiled_is_fetched_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = Site(tmp_path)
    (site.model / "m.safetensors").write_bytes(OLD)
    deliver(site, capsys)
    path = tmp_path / "fra" / "m.safetensors"
    spoiled = bytearray(OLD)
    spoiled[9 * BLOCK] ^= 1
    path.write_bytes(spoiled)
    delta = deliver(site, capsys, "--loss", "5%", "--seed", "3")
    assert path.read_bytes() == OLD
    assert int(str(delta["packets"])) <= packets(BLOCK) + 20


@needs_nginx
def test_of_a_new_version_only_what_changed_is_fetched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Model(tmp_path)
    out = model.folder / "out"
    (out / "sub").mkdir(parents=True)
    old = bytearray(WEIGHTS)
    old[2_000_000] ^= 1
    (out / "weights 1.bin").write_bytes(old)
    with nginx(model.folder, model.public) as (url, authority):
        code, said, err = model.receive(url, "--ca", str(authority), capsys=capsys)
    assert code == 0, err
    assert model.placed()
    block = model.source.manifest.cut(len(WEIGHTS)).size(0)
    assert 0 < said["by_https"] <= block + 140
    assert said["found"] == len(WEIGHTS) + 140 - said["by_https"]
