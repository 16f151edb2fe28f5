"""The one door to YANG validation: instance documents in, canonical RFC 7951 trees out, or a
SchemaError.

A `Schema` is the set of modules that one kind of device implements.  It may be shared by any
number of threads and devices.  The validator is libyang in this process; on machines that its
wheel is not built for, Debian's `yanglint` is called instead, and the first use says so.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import threading
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from toolkit.errors import EnvironmentProblem, Place, Problem, SchemaError
from toolkit.yang import xmltext
from toolkit.yang.causes import problems
from toolkit.yang.engine import Engine, FaultyDataError, Form, Mode
from toolkit.yang.entries import twice
from toolkit.yang.lexicon import Lexicon
from toolkit.yang.modulefile import ModuleInfo, read_modules
from toolkit.yang.reference import (
    REFERENCE_FEATURES,
    REFERENCE_MODULES,
    reference_search_path,
)
from toolkit.yang.shape import Shape


class Schema:
    """A device's modules, loaded."""

    def __init__(
        self,
        modules: Sequence[str],
        search_path: Sequence[Path],
        *,
        features: Mapping[str, Sequence[str]] = MappingProxyType({}),
        remedies: bool = True,
    ) -> None:
        """Load `modules` (`name` or `name@revision`) found below the folders of `search_path`.

        `features` names what is supported of a module; all of it where a module is not named.
        Without `remedies` modules are not asked what would be right: a refused document's first
        fault is reported, and no others.
        Raises SchemaError for modules that cannot be loaded, EnvironmentProblem where this machine
        has no validator.
        """
        self._modules, self._search_path = tuple(modules), tuple(search_path)
        self._features = features
        self._lexicon = Lexicon(self._modules if remedies else (), self._search_path)
        self.shape = Shape()
        """What the documents of `canonical` have shown so far."""
        self.engine: Engine = _engine(self._modules, self._search_path, features, self._lexicon)

    def parse_xml(self, text: str, device: str, *, state: bool = False) -> dict[str, Any]:
        """Validate a configuration and return it as an RFC 7951 tree in canonical form.

        `text` is a <config> or <data> element, or the data elements themselves in a row.  With
        `state`, state nodes are welcome and mandatory nodes may be missing (RFC 8342 section 5.3).
        Raises SchemaError with every problem; the problems' file is `device`.
        """
        try:
            inner = xmltext.siblings(text)
        except xmltext.NotXmlError as error:
            raise SchemaError([Problem(Place(device), str(error))]) from None
        return self._tree(inner, Form.XML, device, Mode.STATE if state else Mode.CONFIG)

    def parse_fragment(self, text: str, device: str) -> dict[str, Any]:
        """Return XML that need not be complete as an RFC 7951 tree; else as `parse_xml`."""
        return self._tree(text, Form.XML, device, Mode.FRAGMENT)

    def parse_json(
        self, tree: Mapping[str, Any], device: str, *, state: bool = False
    ) -> dict[str, Any]:
        """Validate an RFC 7951 tree and return it in canonical form; else as `parse_xml`."""
        return self._tree(
            _json_text(tree, device), Form.JSON, device, Mode.STATE if state else Mode.CONFIG
        )

    def to_xml(self, tree: Mapping[str, Any], device: str = "") -> str:
        """Return an RFC 7951 tree as XML: top-level elements in a row, without a wrapper.

        The tree may be a fragment: values are checked, completeness is not.  Every prefix is
        declared on the top-level element, so that the elements may be moved below any other.
        Raises SchemaError.
        """
        xml = self._convert(_json_text(tree, device), Form.JSON, Form.XML, device, Mode.FRAGMENT)
        return xmltext.hoist(xml)

    def canonical(self, text: str, device: str, *, complete: bool = False) -> str:
        """Return XML as `parse_xml` takes it in canonical form: elements in a row.

        Entries of lists that the system orders are sorted.  Unless `complete`, it may be a
        fragment, as in `to_xml`.  What it shows of the schema goes to `shape`.  Raises SchemaError.
        """
        try:
            inner = xmltext.siblings(text)
        except xmltext.NotXmlError as error:
            raise SchemaError([Problem(Place(device), str(error))]) from None
        if not inner:
            return ""
        try:
            xml, paths = self.engine.read(inner, Mode.CONFIG if complete else Mode.FRAGMENT)
        except FaultyDataError as error:
            raise SchemaError(problems(error.faults, device, self._lexicon)) from None
        self.shape.learn(paths)
        return xml

    @property
    def search_path(self) -> tuple[Path, ...]:
        """The folders that modules were searched for in."""
        return self._search_path

    def modules(self) -> tuple[ModuleInfo, ...]:
        """Return every module, the imported ones too, for a hello and for get-schema."""
        return self._infos

    @cached_property
    def _infos(self) -> tuple[ModuleInfo, ...]:
        return read_modules(self._modules, self._search_path, self._features)

    def _tree(self, text: str, form: Form, device: str, mode: Mode) -> dict[str, Any]:
        canonical = self._convert(text, form, Form.JSON, device, mode)
        return dict(json.loads(canonical)) if canonical else {}

    def _convert(self, text: str, source: Form, target: Form, device: str, mode: Mode) -> str:
        if not text:
            return ""
        try:
            return self.engine.convert(text, source, target, mode)
        except FaultyDataError as error:
            raise SchemaError(problems(error.faults, device, self._lexicon)) from None


def _json_text(tree: Mapping[str, Any], device: str) -> str:
    if not isinstance(tree, Mapping):
        raise SchemaError([Problem(Place(device), "the document is no JSON object")])
    try:
        text = json.dumps(tree, ensure_ascii=False, allow_nan=False)
        text.encode()  # a lone surrogate is no character
    except (TypeError, ValueError, RecursionError) as error:
        raise SchemaError([Problem(Place(device), f"the document is no JSON: {error}")]) from None
    if found := [
        Problem(Place(device, path=path), what, "remove one") for path, what in twice(tree)
    ]:
        raise SchemaError(found)
    return text


def _engine(
    modules: Sequence[str],
    search_path: Sequence[Path],
    features: Mapping[str, Sequence[str]],
    lexicon: Lexicon,
) -> Engine:
    """Return the best validator of this machine."""
    if importlib.util.find_spec("oopt_gnpy_libyang") is not None:
        from toolkit.yang.runtime_libyang import LibyangEngine

        return LibyangEngine(modules, search_path, features, lexicon)
    from toolkit.yang.runtime_yanglint import YanglintEngine, find_yanglint

    program = find_yanglint()
    if program is None:
        raise EnvironmentProblem(
            "no YANG validator: this machine has neither the Python package oopt-gnpy-libyang "
            "(wheels for CPython 3.11 to 3.13 on x86-64 Linux) nor yanglint "
            "(Debian: apt-get install libyang2-tools)"
        )
    engine = YanglintEngine(program, modules, search_path, features)
    logging.getLogger("llmsync.yang").warning(
        "oopt-gnpy-libyang is not installed: validating with %s, one process for each document",
        engine.name,
    )
    return engine


_reference_lock = threading.Lock()


@cache
def _load_reference() -> Schema:
    return Schema(REFERENCE_MODULES, reference_search_path(), features=REFERENCE_FEATURES)


def reference_schema() -> Schema:
    """Return the schema of platform `reference`, loaded once for the whole process."""
    with _reference_lock:  # `cache` alone would let two threads load it at the same time
        return _load_reference()
