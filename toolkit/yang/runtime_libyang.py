"""libyang inside this process, through the `oopt-gnpy-libyang` wheel.

Facts that shape this file: parsing is validating; the error list belongs to the thread, grows over
calls and must be emptied before each parse; all modules are loaded before any data, since a later
load would leave live data trees pointing at freed schema.  The interpreter's lock is held in every
call, so threads may share one context.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import oopt_gnpy_libyang as ly

from toolkit.errors import EnvironmentProblem, Place, Problem, SchemaError
from toolkit.yang.engine import Fault, FaultyDataError, Form, Mode

_FORMS = {Form.XML: ly.DataFormat.XML, Form.JSON: ly.DataFormat.JSON}
_PARSE = {
    Mode.CONFIG: ly.ParseOptions.Strict | ly.ParseOptions.NoState,
    Mode.STATE: ly.ParseOptions.Strict,
    Mode.FRAGMENT: ly.ParseOptions.Strict | ly.ParseOptions.ParseOnly,
}
# `Present`: ask only modules that have data for their mandatory nodes.
_VALIDATE = {
    Mode.CONFIG: ly.ValidationOptions.Present
    | ly.ValidationOptions.NoState
    | ly.ValidationOptions.MultiError,
    Mode.STATE: ly.ValidationOptions.Present
    | ly.ValidationOptions.Operational
    | ly.ValidationOptions.MultiError,
    Mode.FRAGMENT: ly.ValidationOptions.Present,
}
_PRINT = ly.PrintFlags.WithSiblings | ly.PrintFlags.Shrink


class LibyangEngine:
    """One libyang context; immutable once constructed."""

    def __init__(
        self,
        modules: Sequence[str],
        search_path: Sequence[Path],
        features: Mapping[str, Sequence[str]],
    ) -> None:
        """Load `modules` (`name` or `name@revision`) found below `search_path`.

        Features are all on, but for the modules that `features` names.
        Raises SchemaError for a module that cannot be loaded.
        """
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
        self._context.clean_all_errors()
        try:
            tree = self._context.parse_data(text, _FORMS[source], _PARSE[mode], _VALIDATE[mode])
        except ly.Error as error:
            raise FaultyDataError(
                [_fault(e) for e in self._context.errors() if e.level == ly.LogLevel.Error]
                or [Fault(str(error))]
            ) from None
        return "" if tree is None else str(tree.print(_FORMS[target], _PRINT))


def _fault(error: ly.ErrorInfo) -> Fault:
    try:
        return Fault(error.message, error.data_path or "", bool(error.line))
    except UnicodeDecodeError:
        # libyang cuts what it quotes after so many bytes, in the middle of a character too.
        return Fault("a name or value here is not legal", reading=bool(error.line))
