"""Read a sync file, or say everything that is wrong with it.

Reads files.  What `load_config` returns is whole; what it raises is InventoryError with every
problem, each with its file and line, and those of the inventory that it refers to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from toolkit.delivery.model import Coding, symbol_size
from toolkit.errors import InventoryError, Place, Problem
from toolkit.inventory.body import Body
from toolkit.inventory.document import Document, quoted, read_document
from toolkit.inventory.entry import Entry, make_entry
from toolkit.inventory.identifier import parse_name
from toolkit.inventory.load import load_inventory
from toolkit.inventory.model import Inventory
from toolkit.inventory.refusal import Refusal
from toolkit.inventory.suggestion import suggest
from toolkit.sync.declared import SECTIONS, CloudBody, ModelBody, RetryBody, SettingsBody
from toolkit.sync.model import Rules, is_model

LEAST_PRESENCE = 15.0
B = TypeVar("B", bound=Body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a cloud is to have of one model."""

    version: str
    """A version, a ref, or `latest`."""
    rate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A sync file."""

    repository: Path
    state: Path
    coding: Coding
    sealed: bool
    """Blocks and manifests travel encrypted."""
    rules: Rules
    address: str
    ports: tuple[int, int] | None
    group: str | None
    interface: str
    settle: float
    interval: float
    timeout: float
    keep: int
    clouds: Mapping[str, Mapping[str, Wish]]
    """Cloud -> model -> what it is to have."""

    @property
    def models(self) -> frozenset[str]:
        """Every model that a cloud is to have."""
        return frozenset(model for wishes in self.clouds.values() for model in wishes)


def load_config(path: Path) -> Config:
    """Return the sync file at `path`.  Relative paths in it begin at its folder."""
    document, problems = read_document(path)
    if document is None:
        raise InventoryError([_about_sync(p) for p in problems])
    reader = _Reader(path, document, problems)
    config = reader.read()
    if config is None or reader.problems:
        raise InventoryError(sorted(set(reader.problems)))
    return config


def _about_sync(problem: Problem) -> Problem:
    if problem.what != "the file is empty":
        return problem
    return Problem(problem.place, problem.what, "write at least 'repository:' and 'models:'")


class _Reader:
    def __init__(self, path: Path, document: Document, problems: list[Problem]) -> None:
        self.problems = problems
        self._folder = path.parent
        self._document = document
        self._path = path

    def read(self) -> Config | None:
        """Return the config; None, or with `problems`, where it is not whole."""
        settings, retry = self._settings(), self._retry()
        models = self._named("models", ModelBody)
        clouds = self._named("clouds", CloudBody)
        if "models" not in self._document.data:
            place = Place(self._document.file, 1)
            remedy = "for example models: {llama: {version: latest}}"
            self.problems.append(Problem(place, "'models' is missing", remedy))
        for name, model in models.items():
            if not is_model(name):
                remedy = "NAME or ORG/NAME of letters, digits and . _ -, without -- and .."
                self.problems.append(model.problem(f"{quoted(name)} is not a model", remedy))
        inventory = self._inventory(settings)
        wishes = self._wishes(settings, models, clouds)
        if inventory is not None and settings is not None and settings.body is not None:
            for name, entry in clouds.items():
                if name not in inventory.clouds:
                    remedy = suggest(name, inventory.clouds)
                    what = f"the inventory has no cloud '{name}'"
                    self.problems.append(entry.problem(what, remedy))
            self._delivered(inventory, settings, settings.body, models, wishes)
        if settings is None or settings.body is None or retry is None:
            return None
        if not wishes and not self.problems:
            place = Place(self._document.file, 1)
            remedy = "name some under 'clouds', or deliveries of an inventory"
            self.problems.append(Problem(place, "no cloud is to have anything", remedy))
        return self._config(settings, settings.body, retry, wishes)

    def _settings(self) -> Entry[SettingsBody] | None:
        sections = {*SECTIONS, "retry"}
        written = {k: v for k, v in self._document.data.items() if k not in sections}
        entry, problems = make_entry(SettingsBody, "", self._document, (), written)
        self.problems += problems
        return entry

    def _retry(self) -> RetryBody | None:
        written = self._document.data.get("retry")
        entry, problems = make_entry(RetryBody, "retry", self._document, ("retry",), written)
        self.problems += problems
        return entry.body

    def _named(self, section: str, kind: type[B]) -> dict[str, Entry[B]]:
        written = self._document.data.get(section)
        if written is None:
            return {}
        if not isinstance(written, dict):
            what = "a mapping of names is expected"
            place = self._document.place((section,))
            self.problems.append(Problem(place, what, "write 'NAME: {...}' for each"))
            return {}
        entries = {}
        for name, body in written.items():
            entries[name], problems = make_entry(kind, name, self._document, (section, name), body)
            self.problems += problems
        return entries

    def _wishes(
        self,
        settings: Entry[SettingsBody] | None,
        models: Mapping[str, Entry[ModelBody]],
        clouds: Mapping[str, Entry[CloudBody]],
    ) -> dict[str, dict[str, Wish]]:
        found: dict[str, dict[str, Wish]] = {}
        rate = settings.body.rate if settings is not None and settings.body is not None else 0
        for name, entry in clouds.items():
            try:
                parse_name(name)
            except Refusal as refusal:
                what = f"{quoted(name)} {refusal.reason}"
                self.problems.append(entry.problem(what, refusal.remedy))
            if entry.body is None:
                continue
            listed = entry.body.models
            if listed is None:
                listed = tuple((model, None) for model in models)
            for index, (model, version) in enumerate(listed):
                if model not in models:
                    place = self._document.place(("clouds", name, "models", index))
                    what = f"there is no model '{model}'"
                    self.problems.append(Problem(place, what, suggest(model, models)))
                elif (body := models[model].body) is not None:
                    wish = Wish(version=version or body.version, rate=body.rate or rate)
                    found.setdefault(name, {})[model] = wish
        return found

    def _inventory(self, settings: Entry[SettingsBody] | None) -> Inventory | None:
        if settings is None or settings.body is None:
            return None
        body = settings.body
        if body.inventory is None:
            if body.deliveries is not None or "deliveries" in settings.written:
                what = "deliveries are those of an inventory"
                self.problems.append(settings.problem(what, "name one: 'inventory: PATH'",
                                                      at="deliveries"))  # fmt: skip
            return None
        try:
            return load_inventory(self._folder / body.inventory)
        except InventoryError as error:
            self.problems += error.problems
            return None

    def _delivered(
        self,
        inventory: Inventory,
        settings: Entry[SettingsBody],
        body: SettingsBody,
        models: Mapping[str, Entry[ModelBody]],
        wishes: dict[str, dict[str, Wish]],
    ) -> None:
        """Add what deliveries of the inventory ask for; what a cloud says itself comes first."""
        if "deliveries" not in settings.written:
            return
        named = tuple(inventory.deliveries) if body.deliveries is None else body.deliveries
        for index, name in enumerate(named):
            place = self._document.place(("deliveries", index))
            delivery = inventory.deliveries.get(name)
            if delivery is None:
                what = f"the inventory has no delivery '{name}'"
                remedy = suggest(name, inventory.deliveries)
                self.problems.append(Problem(place, what, remedy))
                continue
            model = _model_of(delivery.model, models)
            if model is None:
                what = f"delivery '{name}' carries {quoted(delivery.model)}, which is no model here"
                self.problems.append(
                    Problem(place, what, f"add it under 'models' ({delivery.place})")
                )
                continue
            declared = models[model].body
            if declared is None:
                continue
            for cloud in delivery.to:
                wish = Wish(version=declared.version, rate=declared.rate or delivery.rate)
                wishes.setdefault(cloud, {}).setdefault(model, wish)

    def _config(
        self,
        settings: Entry[SettingsBody],
        body: SettingsBody,
        retry: RetryBody,
        wishes: Mapping[str, Mapping[str, Wish]],
    ) -> Config | None:
        for model in {m: None for mapping in wishes.values() for m in mapping}:
            rate = max(w[model].rate for w in wishes.values() if model in w)
            if rate > body.uplink:
                what = f"sessions of '{model}' have a higher rate than the whole uplink"
                self.problems.append(settings.problem(what, "lower it, or raise 'uplink'"))
        root = self._folder / Path(body.repository).expanduser()
        if not root.is_dir():
            what = f"{root}: no such folder"
            self.problems.append(settings.problem(what, "", at="repository"))
        if body.group is not None and not _multicast(body.group):
            what = f"{quoted(body.group)} is not a multicast group"
            self.problems.append(settings.problem(what, "like 239.255.80.1:4600", at="group"))
        if body.presence < LEAST_PRESENCE:
            what = f"clouds report less often than every {body.presence:g} s"
            self.problems.append(settings.problem(what, "15s or more", at="presence"))
        if body.ports is not None and body.ports[1] - body.ports[0] + 1 < body.sessions:
            what = f"there are fewer ports than the {body.sessions} sessions at a time"
            self.problems.append(settings.problem(what, "", at="ports"))
        state = Path(body.state or f".{self._path.stem}-state").expanduser()
        return Config(
            repository=root, state=self._folder / state,
            coding=Coding(symbol=symbol_size(body.payload)), sealed=body.sealed,
            rules=Rules(
                window=body.window, sessions=body.sessions, uplink=body.uplink, first=retry.first,
                most=max(retry.first, retry.most), tries=retry.tries, presence=body.presence,
                running=body.running,
            ),
            address=body.address, ports=body.ports, group=body.group,
            interface=body.interface or "", settle=body.settle, interval=max(body.interval, 0.05),
            timeout=max(body.timeout, 0.5), keep=body.keep, clouds=wishes,
        )  # fmt: skip


def _model_of(path: str, models: Mapping[str, object]) -> str | None:
    """Which of the models a delivery's path names: its last one or two parts."""
    parts = Path(path).parts
    for name in (path, "/".join(parts[-2:]), parts[-1] if parts else ""):
        if name in models:
            return name
    return None


def _multicast(group: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(group.rpartition(":")[0].strip("[]")).is_multicast
    except ValueError:
        return False
