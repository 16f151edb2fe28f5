"""Engines' loaders without the engines: options, the feed over loopback, and stand-ins.

The stand-ins have the signatures that were read from vLLM 0.33.0 and SGLang 0.5.23 (`READ_FROM`);
where the engines are installed, the same signatures are looked up in them, so that a new version
that changes one is seen.  tests/test_agent_engines_real.py runs the loaders inside the engines.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import inspect
import json
import subprocess
import sys
import tomllib
import types
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from safetensors.numpy import save
from test_agent_engines_real import free_ports

from toolkit.agent.engines.options import SOURCE, VARIABLE, Options, read_options
from toolkit.errors import DeliveryError, ProblemsError

ROOT = Path(__file__).parents[1]
HAS_TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="torch is not installed (extra `gpu`)")

READ_FROM = {"vllm": "0.33.0", "sglang": "0.5.23"}
SIGNATURES = {
    "vllm": {
        "vllm.model_executor.model_loader:register_model_loader": "load_format",
        "vllm.model_executor.model_loader:get_model_loader": "load_config",
        "vllm.model_executor.model_loader.default_loader:DefaultModelLoader.__init__":
            "self load_config",
        "vllm.model_executor.model_loader.default_loader:DefaultModelLoader.download_model":
            "self model_config",
        "vllm.model_executor.model_loader.default_loader:DefaultModelLoader.get_all_weights":
            "self model_config model",
        "vllm.model_executor.model_loader.default_loader:DefaultModelLoader.load_weights":
            "self model model_config",
    },
    "sglang": {
        "sglang.srt.plugins.hook_registry:HookRegistry.register": "target hook hook_type source",
        "sglang.srt.configs.load_config:LoadConfig._verify_load_format": "self",
        "sglang.srt.model_loader.loader:get_model_loader": "load_config model_config",
        "sglang.srt.model_loader.loader:DefaultModelLoader.__init__": "self load_config",
        "sglang.srt.model_loader.loader:DefaultModelLoader.download_model": "self model_config",
        "sglang.srt.model_loader.loader:DefaultModelLoader._get_all_weights":
            "self model_config model",
    },
}  # fmt: skip
"""What the loaders call or stand in for: module and name -> parameters, in order."""

WEIGHTS = {
    f"layers.{i}.weight": np.arange(i, i + 30_000, dtype=np.float32).reshape(100, 300)
    for i in range(8)
}


def parameters(place: str) -> str:
    module, _, name = place.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return " ".join(inspect.signature(found).parameters)


# ----- options


def test_options_are_the_settings_of_a_receiver() -> None:
    extra = {
        "name": "fra-{rank}", "join": "https://hub:4443", "trust": "/etc/llmsync/hub.pub",
        "window": 2**30, "timeout": 60, "source": ["192.0.2.1"], "files": "model-*",
        "order": "manifest", "fallback_only": False,
    }  # fmt: skip
    options = read_options(extra, {}, rank=3, device="cuda:3")
    settings = options.settings
    assert (settings.name, settings.join) == ("fra-3", "https://hub:4443")
    assert (settings.device, settings.weights) == ("cuda:3", "gpu")
    assert settings.trust == Path("/etc/llmsync/hub.pub")
    assert (settings.window, settings.timeout) == (2**30, 60)
    assert settings.source == ("192.0.2.1",)
    assert (options.files, options.order) == ("model-*", "manifest")


def test_the_variable_counts_where_an_engine_passes_nothing() -> None:
    environment = {VARIABLE: json.dumps({"name": "fra", "device": "cpu"})}
    assert read_options({}, environment, rank=0, device="cuda:0").settings.device == "cpu"
    given = {"name": "lon"}
    assert read_options(given, environment, rank=0, device="cuda:0").settings.name == "lon"


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({}, f"{SOURCE}: is empty, and so is {VARIABLE}"),
        ({"nam": "fra"}, f"{SOURCE}: nam: is not known (one of files, order, name, "),
        ({"name": "fra", "world": 2}, "world: the engine slices for itself (leave it out"),
        ({"name": "fra", "window": "4G"}, "window: is a text, '4G', and should be none"),
        ({"name": "fra", "listen": 4401}, "listen: is a number, 4401, and should be a text"),
        ({"name": "fra", "timeout": True}, "timeout: is true or false, and should not be"),
        ({"name": "fra", "order": "random"}, "order: is 'random' (one of arrival, manifest)"),
        ({"name": "fra", "files": 3}, "files: is not a text"),
        ({"listen": "127.0.0.1:1"}, "name: is missing"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(extra: dict[str, object], said: str) -> None:
    with pytest.raises(ProblemsError) as caught:
        read_options(extra, {}, rank=0, device="cpu")
    assert said in str(caught.value)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ProblemsError) as caught:
        read_options({"nam": 1, "rank": 0, "window": "x"}, {}, rank=0, device="cpu")
    assert [p.place.path for p in caught.value.problems] == ["nam", "rank", "window"]


@pytest.mark.parametrize("text", ["{", "[]", '"x"'])
def test_a_variable_that_is_no_object(text: str) -> None:
    with pytest.raises(ProblemsError, match=VARIABLE):
        read_options({}, {VARIABLE: text}, rank=0, device="cpu")


def test_the_entry_points_lead_to_functions() -> None:
    """Without importing an engine."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for group in ("vllm.general_plugins", "sglang.srt.plugins"):
        (value,) = project["entry-points"][group].values()
        module, _, name = value.partition(":")
        assert callable(getattr(importlib.import_module(module), name))


# ----- the feed


class Delivery:
    """A folder, its sender, and the options of a receiver of it."""

    def __init__(self, folder: Path, files: dict[str, bytes]) -> None:
        self.model, self.key = folder / "model", folder / "key"
        self.model.mkdir()
        for name, content in files.items():
            (self.model / name).parent.mkdir(exist_ok=True, parents=True)
            (self.model / name).write_bytes(content)
        self.control, self.port = free_ports(2)

    def send(self, *more: str) -> subprocess.Popen[bytes]:
        command = [
            sys.executable, "-m", "toolkit.cli", "send", str(self.model), "--key", str(self.key),
            "--control", f"127.0.0.1:{self.control}", "--to", f"fra=127.0.0.1:{self.port}",
            *more,
        ]  # fmt: skip
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def extra(self, **more: object) -> dict[str, object]:
        return {
            "name": "fra", "listen": f"127.0.0.1:{self.port}", "device": "cpu",
            "sender": f"127.0.0.1:{self.control}", **more,
        }  # fmt: skip

    def options(self, **more: object) -> Options:
        return read_options(self.extra(**more), {}, rank=0, device="cpu")


def two_files() -> dict[str, bytes]:
    names = list(WEIGHTS)
    parts = [names[:4], names[4:]]
    return {
        "config.json": b"{}",
        **{
            f"model-{i}.safetensors": save({n: WEIGHTS[n] for n in part})
            for i, part in enumerate(parts, 1)
        },
    }


@needs_torch
@pytest.mark.parametrize("order", ["arrival", "manifest"])
def test_the_feed_hands_out_every_tensor_once(order: str, tmp_path: Path) -> None:
    from toolkit.agent.engines.feed import feed

    delivery = Delivery(tmp_path, two_files())
    sender = delivery.send()
    taken = {name: tensor.numpy().copy() for name, tensor in feed(delivery.options(order=order))}
    assert sender.wait(timeout=60) == 0
    assert set(taken) == set(WEIGHTS)
    assert all(np.array_equal(taken[n], WEIGHTS[n]) for n in WEIGHTS)
    if order == "manifest":  # Of each file, as it is sent.
        for part in (list(WEIGHTS)[:4], list(WEIGHTS)[4:]):
            assert [name for name in taken if name in part] == part


@needs_torch
def test_the_receivers_memory_goes_when_all_was_taken(tmp_path: Path) -> None:
    """An engine needs the room for its caches."""
    from toolkit.agent.engines.feed import feed

    delivery = Delivery(tmp_path, two_files())
    sender = delivery.send()
    arenas = [weakref.ref(tensor._base) for _, tensor in feed(delivery.options())]
    assert sender.wait(timeout=60) == 0
    gc.collect()
    assert len(arenas) == len(WEIGHTS)
    assert all(arena() is None for arena in arenas)


@needs_torch
def test_files_that_hold_the_model_twice(tmp_path: Path) -> None:
    from toolkit.agent.engines.feed import feed

    files = two_files() | {
        "consolidated.safetensors": save(WEIGHTS),
        "extra/a.safetensors": save(WEIGHTS),
    }
    delivery = Delivery(tmp_path, files)
    sender = delivery.send()
    assert {name for name, _ in feed(delivery.options())} == set(WEIGHTS)
    assert sender.wait(timeout=60) == 0


@needs_torch
def test_a_name_in_two_files_is_told(tmp_path: Path) -> None:
    from toolkit.agent.engines.feed import feed

    delivery = Delivery(tmp_path, {"a.safetensors": save(WEIGHTS), "b.safetensors": save(WEIGHTS)})
    sender = delivery.send()
    with pytest.raises(DeliveryError, match=r"is in [ab]\.safetensors and in [ab]\.safetensors"):
        list(feed(delivery.options()))
    sender.terminate()
    sender.wait(timeout=60)


@needs_torch
def test_who_stops_early_ends_the_receiver(tmp_path: Path) -> None:
    import threading

    from toolkit.agent.engines.feed import feed

    delivery = Delivery(tmp_path, two_files())
    sender = delivery.send()
    tensors = feed(delivery.options())
    next(tensors)
    tensors.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if t.name == "llmsync-feed"]
    sender.terminate()
    sender.wait(timeout=60)


@needs_torch
def test_a_delivery_without_weights_is_told(tmp_path: Path) -> None:
    from toolkit.agent.engines.feed import feed

    delivery = Delivery(tmp_path, {"config.json": b"{}"})
    sender = delivery.send()
    with pytest.raises(DeliveryError, match="no tensor was delivered"):
        list(feed(delivery.options()))
    assert sender.wait(timeout=60) == 0


@needs_torch
def test_what_the_receiver_ends_with_is_raised_where_tensors_are_taken(tmp_path: Path) -> None:
    from toolkit.agent.engines.feed import feed
    from toolkit.errors import UnreachableError

    delivery = Delivery(tmp_path, two_files())
    with pytest.raises(UnreachableError, match="nothing came back"):
        list(feed(delivery.options(timeout=1)))


# ----- stand-ins


@dataclass
class LoadConfig:
    """As far as the loaders look at it."""

    load_format: Any = "llmsync"
    model_loader_extra_config: dict[str, object] = field(default_factory=dict)
    tp_rank: int | None = None

    def _verify_load_format(self) -> None:
        raise ValueError(f"{self.load_format!r} is not a valid LoadFormat")


class BaseModelLoader(ABC):
    def __init__(self, load_config: LoadConfig) -> None:
        self.load_config = load_config

    @abstractmethod
    def download_model(self, model_config: Any) -> None: ...


class DefaultModelLoader(BaseModelLoader):
    """Both engines' have this check of options, and these seams."""

    counter_before_loading_weights: float = 0.0

    def __init__(self, load_config: LoadConfig) -> None:
        super().__init__(load_config)
        unexpected = set(load_config.model_loader_extra_config) - {"num_threads"}
        if unexpected:
            raise ValueError(f"Unexpected extra config keys: {unexpected}")

    def download_model(self, model_config: Any) -> None:
        raise AssertionError("nothing is to be downloaded")

    def get_all_weights(self, model_config: Any, model: Any) -> Iterator[tuple[str, Any]]:
        raise AssertionError("nothing is to be read from files")

    _get_all_weights = get_all_weights

    def load_weights(self, model: Any, model_config: Any) -> None:
        model.load_weights(self.get_all_weights(model_config, model))


class Registry:
    """SGLang's: targets and hooks."""

    hooks: ClassVar[list[tuple[str, Any, str]]] = []

    @classmethod
    def register(
        cls, target: str, hook: Any, hook_type: Any = "after", *, source: Any = None
    ) -> None:
        cls.hooks.append((target, hook, hook_type))


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Packages `vllm` and `sglang` of the parts that are used."""
    loaders: dict[str, type] = {"auto": DefaultModelLoader}

    def register_model_loader(load_format: str) -> Any:
        def wrap(loader: type) -> type:
            assert issubclass(loader, BaseModelLoader)
            loaders[load_format] = loader
            return loader

        return wrap

    def get_model_loader(load_config: LoadConfig) -> Any:
        return loaders[load_config.load_format](load_config)

    def get_class_or_loader(load_config: LoadConfig, model_config: Any = None) -> Any:
        return load_config.load_format(load_config)

    group = types.SimpleNamespace(rank_in_group=0)
    logger = types.SimpleNamespace(info=lambda message: None)
    choices: list[str] = ["auto"]
    monkeypatch.setattr(Registry, "hooks", [])
    modules = {
        "vllm.distributed": {
            "parallel_state": types.SimpleNamespace(get_world_group=lambda: group)
        },
        "vllm.logger": {"init_logger": lambda name: logger},
        "vllm.model_executor.model_loader": {
            "_LOAD_FORMAT_TO_MODEL_LOADER": loaders,
            "register_model_loader": register_model_loader, "get_model_loader": get_model_loader,
        },
        "vllm.model_executor.model_loader.default_loader": {
            "DefaultModelLoader": DefaultModelLoader
        },
        "sglang.srt.arg_groups.choices": {"LOAD_FORMAT_CHOICES": choices},
        "sglang.srt.configs.load_config": {"LoadConfig": LoadConfig},
        "sglang.srt.model_loader.loader": {
            "DefaultModelLoader": DefaultModelLoader, "get_model_loader": get_class_or_loader,
        },
        "sglang.srt.plugins.hook_registry": {
            "HookRegistry": Registry, "HookType": types.SimpleNamespace(AROUND="around"),
        },
    }  # fmt: skip
    for name, content in modules.items():
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            package = ".".join(parts[:end])
            if end == len(parts) or package not in sys.modules:
                made = types.ModuleType(package)
                made.__path__ = []
                monkeypatch.setitem(sys.modules, package, made)
                if end > 1:
                    monkeypatch.setattr(
                        sys.modules[".".join(parts[: end - 1])], parts[end - 1], made, raising=False
                    )
        vars(sys.modules[name]).update(content)
    return {"loaders": loaders, "choices": choices, "get": get_model_loader}


@pytest.mark.parametrize("engine", READ_FROM)
def test_the_stand_ins_have_the_signatures_that_were_read(engine: str, engines: Any) -> None:
    for place, names in SIGNATURES[engine].items():
        assert parameters(place) == names, place


@pytest.mark.parametrize("engine", READ_FROM)
def test_the_engine_itself_has_the_signatures_that_were_read(engine: str) -> None:
    if importlib.util.find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed (signatures were read from {READ_FROM[engine]})")
    asked = [
        f"from test_agent_engines import SIGNATURES, parameters\n"
        f"wrong = {{p: parameters(p) for p, n in SIGNATURES[{engine!r}].items() "
        f"if parameters(p) != n}}\nassert not wrong, wrong"
    ]
    done = subprocess.run(
        [sys.executable, "-c", *asked], cwd=Path(__file__).parent, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


@needs_torch
def test_vllm_loads_by_the_name_of_the_format(tmp_path: Path, engines: Any) -> None:
    from toolkit.agent.engines.vllm import register

    register()
    loader = engines["loaders"]["llmsync"]
    register()
    assert engines["loaders"]["llmsync"] is loader  # Once: the engine warns of a second time.
    delivery = Delivery(tmp_path, two_files())
    sender = delivery.send()
    taken = module()
    made = engines["get"](LoadConfig(model_loader_extra_config=delivery.extra()))
    made.download_model(None)
    made.load_weights(taken, None)
    assert sender.wait(timeout=60) == 0
    assert_loaded(taken)


@needs_torch
def test_sglang_takes_the_class_where_the_name_is_given(tmp_path: Path, engines: Any) -> None:
    from toolkit.agent.engines.sglang import register

    register()
    register()
    assert engines["choices"] == ["auto", "llmsync"]
    ((target, hook, kind),) = Registry.hooks
    assert (target, kind) == (
        "sglang.srt.configs.load_config.LoadConfig._verify_load_format", "around",
    )  # fmt: skip
    delivery = Delivery(tmp_path, two_files())
    config = LoadConfig(model_loader_extra_config=delivery.extra(), tp_rank=0)
    hook(LoadConfig._verify_load_format, config)
    assert issubclass(config.load_format, DefaultModelLoader)
    with pytest.raises(ValueError, match="'other' is not a valid LoadFormat"):
        hook(LoadConfig._verify_load_format, LoadConfig(load_format="other"))
    sender = delivery.send()
    taken = module()
    made = config.load_format(config)  # As get_model_loader does with a class.
    made.download_model(None)
    taken.load_weights(made._get_all_weights(None, taken))
    assert sender.wait(timeout=60) == 0
    assert_loaded(taken)


def module() -> Any:
    """A torch module that copies, as an engine's does."""
    import torch

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.ModuleList(
                torch.nn.Linear(300, 100, bias=False) for _ in WEIGHTS
            )

        def load_weights(self, weights: Iterator[tuple[str, Any]]) -> set[str]:
            loaded = set()
            for name, tensor in weights:
                self.get_parameter(name).data.copy_(tensor)
                loaded.add(name)
            return loaded

    return Model()


def assert_loaded(taken: Any) -> None:
    for name, array in WEIGHTS.items():
        assert np.array_equal(taken.get_parameter(name).detach().numpy(), array), name
