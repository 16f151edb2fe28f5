"""A sync file is read whole, or everything that is wrong with it is said, each with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from toolkit.errors import InventoryError
from toolkit.sync.config import Wish, load_config
from toolkit.sync.declared import file_schema, parse_duration
from toolkit.sync.model import Policy

ROOT = Path(__file__).parent.parent
GOOD = """\
repository: models
window: 5s
uplink: 2G
running: abort
keep: 3
group: 239.255.80.1:4600
ports: 4500-4501
retry: {first: 500ms, most: 1m, tries: 4}
models:
  llama: {}
  org/mini: {version: v2, rate: 200M}
clouds:
  fra: {models: all}
  lon: {models: [org/mini@v1, llama@main]}
"""


def written(tmp_path: Path, text: str) -> Path:
    (tmp_path / "models").mkdir(exist_ok=True)
    path = tmp_path / "sync.yaml"
    path.write_text(text)
    return path


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(InventoryError) as raised:
        load_config(written(tmp_path, text))
    return [str(p).replace(f"{tmp_path}/", "") for p in raised.value.problems]


def test_a_file_says_what_each_cloud_is_to_have(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, GOOD))
    assert config.clouds == {
        "fra": {
            "llama": Wish(version="latest", rate=1_000_000_000),
            "org/mini": Wish(version="v2", rate=200_000_000),
        },
        "lon": {
            "org/mini": Wish(version="v1", rate=200_000_000),
            "llama": Wish(version="main", rate=1_000_000_000),
        },
    }
    rules = config.rules
    assert (rules.window, rules.first, rules.most, rules.tries) == (5, 0.5, 60, 4)
    assert (rules.running, rules.uplink, config.keep) == (Policy.ABORT, 2_000_000_000, 3)
    assert config.repository == tmp_path / "models"
    assert config.state == tmp_path / ".sync-state"
    assert config.models == {"llama", "org/mini"}


def test_every_problem_is_said_at_once(tmp_path: Path) -> None:
    text = """\
repository: nowhere
windw: 5s
uplink: 1G
settle: 30
group: 10.0.0.1:4600
models:
  llama: {rate: 2G}
  a b: {}
  mini: {version: 2}
clouds:
  fra: {models: [lama, mini]}
  LON: {models: llama}
  hel: {models: [mini, mini@v1]}
retry: {tries: 0}
"""
    assert problems(tmp_path, text) == [
        "sync.yaml:2: windw: unknown key (did you mean 'window'?)",
        "sync.yaml:4: settle: '30' is a time without its unit (did you mean '30s'?)",
        "sync.yaml:8: models.a b: 'a b' is not a model (NAME or ORG/NAME of letters, digits and "
        ". _ -, without -- and ..)",
        "sync.yaml:9: models.mini.version: '2' is not a version (put it in quotes)",
        "sync.yaml:11: clouds.fra.models[0]: there is no model 'lama' (did you mean 'llama'?)",
        "sync.yaml:12: clouds.LON: 'LON' is not a name (lower-case letters, digits and hyphens, "
        "at most 32, no hyphen first: 'lon'?)",
        "sync.yaml:12: clouds.LON.models: 'llama' is neither 'all' nor a list of models (a single "
        "one is a list: [llama])",
        "sync.yaml:13: clouds.hel.models[1]: 'mini@v1' is a model that is listed twice (once is "
        "enough)",
        "sync.yaml:14: retry.tries: '0' is not a whole number from 1 to 1000",
    ]
    text = """\
repository: nowhere
uplink: 1G
group: 10.0.0.1:4600
ports: 4500-4500
models: {llama: {rate: 2G}}
clouds: {fra: {models: all}}
"""
    assert problems(tmp_path, text) == [
        "sync.yaml:1: sessions of 'llama' have a higher rate than the whole uplink (lower it, or "
        "raise 'uplink')",
        "sync.yaml:1: repository: nowhere: no such folder",
        "sync.yaml:3: group: '10.0.0.1:4600' is not a multicast group (like 239.255.80.1:4600)",
        "sync.yaml:4: ports: there are fewer ports than the 2 sessions at a time",
    ]
    assert problems(tmp_path, "repository: models\n") == [
        "sync.yaml:1: 'models' is missing (for example models: {llama: {version: latest}})"
    ]
    assert problems(tmp_path, "models: {a: {}}\nclouds: {}\n") == [
        "sync.yaml:1: 'repository' is missing (for example repository: /srv/models)"
    ]
    assert problems(tmp_path, "") == [
        "sync.yaml:1: the file is empty (write at least 'repository:' and 'models:')"
    ]
    nobody = "repository: models\nmodels: {a: {}}\n"
    assert "no cloud is to have anything" in problems(tmp_path, nobody)[0]


def test_clouds_and_deliveries_of_an_inventory(tmp_path: Path) -> None:
    head = f"repository: models\ninventory: {ROOT / 'inventories/demo'}\n"
    text = head + "deliveries: [minilm]\nmodels: {demo: {version: v3}}\n"
    config = load_config(written(tmp_path, text))
    assert len(config.clouds) == 6
    assert config.clouds["cloud-london"] == {"demo": Wish(version="v3", rate=1_000_000_000)}
    text += "clouds: {cloud-london: {models: [demo@v2]}}\n"
    config = load_config(written(tmp_path, text))
    assert config.clouds["cloud-london"]["demo"].version == "v2"
    assert config.clouds["cloud-madrid"]["demo"].version == "v3"
    text = head + "deliveries: [minlm]\nmodels: {demo: {}}\nclouds: {cloud-lodon: {models: all}}\n"
    assert problems(tmp_path, text) == [
        "sync.yaml:3: deliveries[0]: the inventory has no delivery 'minlm' (did you mean "
        "'minilm'?)",
        "sync.yaml:5: clouds.cloud-lodon: the inventory has no cloud 'cloud-lodon' (did you mean "
        "'cloud-london'?)",
    ]
    text = head + "deliveries: all\nmodels: {llama: {}}\n"
    assert "'minilm' carries 'demo', which is no model here" in problems(tmp_path, text)[0]
    text = "repository: models\ndeliveries: all\nmodels: {llama: {}}\n"
    assert "deliveries are those of an inventory" in problems(tmp_path, text)[0]


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("500ms", 0.5), ("1.5m", 90), ("2h", 7200)]
)
def test_times(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


def test_the_schema_takes_what_the_reader_takes(tmp_path: Path) -> None:
    schema = file_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert list(validator.iter_errors(yaml.safe_load(GOOD))) == []
    for change in ({"window": 5}, {"windw": "5s"}, {"retry": {"tries": 0}}, {"models": 1},
                   {"clouds": {"LON": {"models": "all"}}}):  # fmt: skip
        document: dict[str, Any] = {**yaml.safe_load(GOOD), **change}
        assert list(validator.iter_errors(document)), change
