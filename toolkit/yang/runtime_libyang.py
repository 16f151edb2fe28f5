"""libyang inside this process, through the `oopt-gnpy-libyang` wheel.

Facts that shape this file: parsing is validating; the error list belongs to the thread, grows over
calls and must be emptied before each parse; all modules are loaded before any data, since a later
load would leave live data trees pointing at freed schema.  The interpreter's lock is held in every
call, so threads may share one context.

`MultiError`, which goes on after a fault, is a trap: after a faulty list entry libyang follows null
pointers, and with it this process ends.  So a document is read without it first, and only what was
refused is read again with it, after `entries` has taken out what libyang cannot bear.  That is not
all that it dies of, so it does so in a forked process: where that one dies, the first fault is all
that is told.  An empty container whose `when` is false it takes away while it still walks there,
with or without `MultiError`; so empty containers, which say nothing, are left out before.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path

import oopt_gnpy_libyang as ly

from toolkit.errors import EnvironmentProblem, Place, Problem, SchemaError
from toolkit.yang.engine import Fault, FaultyDataError, Form, Mode
from toolkit.yang.entries import without_unnamed
from toolkit.yang.lexicon import Lexicon

_FORMS = {Form.XML: ly.DataFormat.XML, Form.JSON: ly.DataFormat.JSON}
_PARSE = {
    Mode.CONFIG: ly.ParseOptions.Strict | ly.ParseOptions.NoState,
    Mode.STATE: ly.ParseOptions.Strict,
    Mode.FRAGMENT: ly.ParseOptions.Strict | ly.ParseOptions.ParseOnly,
}
# `Present`: ask only modules that have data for their mandatory nodes.
_VALIDATE = {
    Mode.CONFIG: ly.ValidationOptions.Present | ly.ValidationOptions.NoState,
    Mode.STATE: ly.ValidationOptions.Present | ly.ValidationOptions.Operational,
    Mode.FRAGMENT: ly.ValidationOptions.Present,
}
_EMPTY = re.compile(r"/>|<([\w:.-]+)[^<>]*>\s*</\1\s*>|\{\s*\}")
"""What may be an empty container, which is not printed."""
_PRINT = ly.PrintFlags.WithSiblings | ly.PrintFlags.Shrink


class LibyangEngine:
    """One libyang context; immutable once constructed."""

    def __init__(
        self,
        modules: Sequence[str],
        search_path: Sequence[Path],
        features: Mapping[str, Sequence[str]],
        lexicon: Lexicon,
    ) -> None:
        """Load `modules` (`name` or `name@revision`) found below `search_path`.

        Features are all on, but for the modules that `features` names.
        Raises SchemaError for a module that cannot be loaded.
        """
        self._lexicon = lexicon
        ly.set_log_options(ly.LogOptions.Store)
        try:
            self._context = ly.Context(
                ":".join(map(str, search_path)),
                ly.ContextOptions.NoYangLibrary
                | ly.ContextOptions.DisableSearchCwd
                | ly.ContextOptions.RefImplemented,
            )
        except ly.Error as error:
            folders = ", ".join(map(str, search_path))
            raise EnvironmentProblem(
                f"libyang cannot search for modules in {folders}: {error}"
            ) from None
        problems: list[Problem] = []
        for item in modules:
            name, _, revision = item.partition("@")
            self._context.clean_all_errors()
            try:
                self._context.load_module(name, revision or None, [*features.get(name, ["*"])])
            except ly.Error as error:
                causes = [e for e in self._context.errors() if e.level == ly.LogLevel.Error]
                problems += [
                    Problem(Place(item, path=e.schema_path or ""), e.message) for e in causes
                ] or [Problem(Place(item), str(error))]
        self._context.clean_all_errors()
        if problems:
            raise SchemaError(problems)

    @property
    def name(self) -> str:
        return f"libyang {ly.libyang_version()}"

    def convert(self, text: str, source: Form, target: Form, mode: Mode) -> str:
        tree, faults = self._parse(text, source, mode)
        if faults:
            raise FaultyDataError(self._all_faults(text, source, mode) or faults)
        printed = None if tree is None else tree.print(_FORMS[target], _PRINT)
        return str(printed or "")  # None, too, where containers hold nothing but each other

    def read(self, text: str, mode: Mode) -> tuple[str, tuple[str, ...]]:
        tree, faults = self._parse(text, Form.XML, mode)
        if faults:
            raise FaultyDataError(self._all_faults(text, Form.XML, mode) or faults)
        if tree is None:
            return "", ()
        seen: dict[str, str] = {}
        for top in tree.siblings():
            for node in top.children_dfs():
                kind = node.schema.path
                if kind not in seen:
                    seen[kind] = node.path
        return str(tree.print(_FORMS[Form.XML], _PRINT) or ""), tuple(seen.values())

    def _all_faults(self, text: str, form: Form, mode: Mode) -> list[Fault]:
        """Return all that is wrong with a refused document; nothing where it cannot be read.

        Nor where nobody knows the lists, whose faulty entries libyang cannot bear.
        """
        if not self._lexicon.inner:
            return []

        def judge(entry: str) -> list[Fault]:
            # Not ParseOnly: that lets a key pass which is given twice.
            faults = self._parse(entry, form, mode)[1]
            return [fault for fault in faults if fault.reading]

        try:
            rest, unnamed = without_unnamed(text, form, self._lexicon, judge)
        except (ValueError, RecursionError):
            return []
        return unnamed + self._apart(rest, form, mode)

    def _apart(self, text: str, form: Form, mode: Mode) -> list[Fault]:
        """Return the faults that a forked process finds; nothing where it dies of the document.

        It does nothing but read, and no call of libyang is left half done by another thread, since
        the interpreter's lock is held in each.
        """
        ours, its = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
            child = os.fork()
        if child == 0:
            try:
                faults = self._parse(text, form, mode, every=True)[1]
                with os.fdopen(its, "w", encoding="utf-8") as pipe:
                    json.dump([astuple(fault) for fault in faults], pipe)
            finally:
                os._exit(0)
        os.close(its)
        with os.fdopen(ours, encoding="utf-8") as pipe:
            told = pipe.read()
        _, status = os.waitpid(child, 0)
        whole = os.WIFEXITED(status) and told.endswith("]")
        return [Fault(*fault) for fault in json.loads(told)] if whole else []

    def _parse(
        self, text: str, form: Form, mode: Mode, *, every: bool = False
    ) -> tuple[ly.DataNode | None, list[Fault]]:
        """Return the tree of a document, or its first fault; with `every`, all of its faults."""
        if not text:
            return None, []
        validate = _VALIDATE[mode]
        if every:
            validate |= ly.ValidationOptions.MultiError
        self._context.clean_all_errors()
        try:
            if mode is not Mode.FRAGMENT and _EMPTY.search(text):
                unjudged = _PARSE[mode] | ly.ParseOptions.ParseOnly
                read = self._context.parse_data(text, _FORMS[form], unjudged, validate)
                text = read.print(_FORMS[form], _PRINT) if read is not None else ""
                if not text:
                    return None, []
            return self._context.parse_data(text, _FORMS[form], _PARSE[mode], validate), []
        except ly.Error as error:
            errors = [e for e in self._context.errors() if e.level == ly.LogLevel.Error]
            return None, [_fault(e) for e in errors] or [Fault(str(error), reading=True)]


def _fault(error: ly.ErrorInfo) -> Fault:
    try:
        return Fault(error.message, error.data_path or "", bool(error.line))
    except UnicodeDecodeError:
        # libyang cuts what it quotes after so many bytes, in the middle of a character too.
        return Fault("a name or value here is not legal", reading=bool(error.line))
