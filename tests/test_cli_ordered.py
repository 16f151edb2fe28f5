"""`--order` and `--first` of `send` and `run`."""

from __future__ import annotations

import random
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save_file
from test_transport_udp import Site

from toolkit.cli.main import main
from toolkit.delivery.manifest import OpenedManifest, open_manifest
from toolkit.delivery.safetensors import TensorEntry, header_size, parse_header
from toolkit.errors import ExitCode


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A model in two files whose layers 0 to 11 lie in the order of their texts."""
    made = Site(tmp_path)
    (made.model / "m.safetensors").unlink()
    chance = numpy.random.default_rng(1)
    for part in (0, 1):
        names = [f"model.layers.{i}.w" for i in range(12) if i % 2 == part]
        names += [["lm_head.weight"], ["model.embed_tokens.weight"]][part]
        tensors = {name: chance.standard_normal(100_000).astype(numpy.float32) for name in names}
        save_file(tensors, made.model / f"m-{part}.safetensors")
    return made


def sent(site: Site, *options: str) -> OpenedManifest:
    """Send to one receiver, which must get it all; what the signed envelope says."""
    with site.receiving("fra", 0):
        code = main(site.send_command(
            *site.to("fra"), "--publish", str(site.folder / "web"), *options,
        ))  # fmt: skip
    assert (code, site.codes) == (0, {"fra": 0})
    truth = {
        p.relative_to(site.model).as_posix(): p.read_bytes()
        for p in site.model.rglob("*")
        if p.is_file()
    }
    assert site.placed("fra") == truth
    return open_manifest((site.folder / "web" / "manifest").read_bytes(), None)


def tensors(site: Site, path: str) -> tuple[TensorEntry, ...]:
    data = (site.model / path).read_bytes()
    return parse_header(data[: header_size(data)], len(data))


def middles(site: Site, opened: OpenedManifest) -> list[str]:
    """Tensors in the order in which the block of their middle is listed."""
    found = []
    for at, (file, first, count) in enumerate(opened.order):
        entry = opened.manifest.files[file]
        for tensor in tensors(site, entry.path) if entry.path.endswith(".safetensors") else ():
            block = opened.manifest.cut(entry.size).block_at((tensor.start + tensor.end) // 2)
            if first <= block < first + count:
                found.append((at, block, tensor.name))
    return [name for _, _, name in sorted(found)]


LAYERS = [f"model.layers.{i}.w" for i in range(12)]


def test_a_model_is_sent_layer_by_layer(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    opened = sent(site)
    assert middles(site, opened) == ["model.embed_tokens.weight", *LAYERS, "lm_head.weight"]
    assert opened.manifest.files[opened.order[0].file].path == "config.json"
    assert f"of {len(opened.order)} stretches" in capsys.readouterr().err


def test_what_is_named_goes_first(site: Site) -> None:
    opened = sent(site, "--first", "lm_*", "--first", "*.layers.7.*")
    rest = ["model.embed_tokens.weight", *(n for n in LAYERS if n != LAYERS[7])]
    assert middles(site, opened) == ["lm_head.weight", LAYERS[7], *rest]


def test_in_the_order_of_the_files_only_what_is_named_goes_first(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = sent(site, "--order", "files", "--first", "m-1.*")
    assert [s.file for s in opened.order] == [3]
    assert "stretches" in capsys.readouterr().err
    assert opened.manifest.files[3].path == "m-1.safetensors"


def test_as_they_lie_files_need_no_order(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert sent(site, "--order", "files").order == ()
    assert "stretches" not in capsys.readouterr().err


def test_patterns_that_match_nothing_are_named_at_once(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("--first", "model.layer.*", "--first", "lm_head*", "--first", "nobody")
    assert main(site.send_command(*site.to("fra"), *more)) == ExitCode.INVALID
    err = capsys.readouterr().err
    assert "--first model.layer.*" in err
    assert "--first nobody" in err
    assert "--first lm_head" not in err
    assert "of model has such a name" in err
    assert not (site.folder / "key").exists(), "something was done before it was noticed"


def test_run_takes_them_too(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "demo", "--model", str(site.model), "--output", str(site.folder / "out")]
    assert main([*command, "--first", "nobody"]) == ExitCode.INVALID
    assert "--first nobody: " in capsys.readouterr().err
    assert main([*command, "--first", "lm_*"]) == ExitCode.OK


def test_random_patterns_never_raise(site: Site) -> None:
    chance = random.Random(3)
    for _ in range(5):
        pattern = "".join(chance.choices("[]*?!-a.", k=6))
        command = site.send_command(*site.to("fra"), "--first", pattern + "zz")
        assert main(command) == ExitCode.INVALID
