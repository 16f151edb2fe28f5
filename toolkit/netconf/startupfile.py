"""The startup configuration of an embedded router in a file: XML, as <get-config> returns it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from toolkit.errors import EnvironmentProblem, Place, Problem, SchemaError
from toolkit.netconf.names import BASE_NS
from toolkit.netconf.tree import Node, to_xml
from toolkit.yang.schema import Schema


def read_startup(path: Path, schema: Schema) -> dict[str, Any]:
    """Return the configuration in `path`, nothing where there is no such file yet.

    Raises SchemaError for what is no valid configuration, EnvironmentProblem for what cannot be
    read.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise SchemaError([Problem(Place(str(path)), "it is not UTF-8 text")]) from None
    except OSError as error:
        raise EnvironmentProblem(f"{path}: cannot be read: {error.strerror}") from None
    return schema.parse_xml(text, str(path))


def write_startup(path: Path, tree: Node) -> None:
    """Put the datastore `tree` into `path`, whole or not at all.  Raises EnvironmentProblem."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    text = f'<config xmlns="{BASE_NS}">{to_xml(tree.children, inside=BASE_NS)}</config>\n'
    try:
        draft.write_text(text, "utf-8")
        draft.replace(path)
    except OSError as error:
        raise EnvironmentProblem(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)
