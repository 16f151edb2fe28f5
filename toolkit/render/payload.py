"""Payloads: what is sent to each device, checked against the device's own schema before it is.

A payload exists only when it is valid.  Problems of all devices are reported together.
`llmsync render -o DIR` writes payloads to files; people may edit them; labs, verification and a
push may take the files instead of what the plan would render.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from toolkit.errors import (
    Place,
    PlanError,
    Problem,
    SchemaError,
    TemplateError,
    UsageError,
    WireError,
)
from toolkit.inventory.model import Platform
from toolkit.netconf.tree import parse_siblings, to_xml
from toolkit.plan.model import Plan
from toolkit.render.cells import column, features_of, missing_cells
from toolkit.render.lint import lint, readable
from toolkit.render.merge import merge
from toolkit.render.part import part_of
from toolkit.render.text import render_text
from toolkit.yang import xmltext
from toolkit.yang.platforms import Unproven, platform_schema
from toolkit.yang.untyped import untyped_tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """The whole configuration of one device; valid, and canonical, where it could be proven."""

    device: str
    xml: str
    """One <config> element (RFC 6241 section 7.2), ready for edit-config."""
    tree: Mapping[str, Any]
    """The same as an RFC 7951 tree; as `toolkit.yang.untyped` makes one where it is unproven."""
    platform: Platform = Platform.REFERENCE
    unproven: str = ""
    """Why no schema has judged it; empty: one has."""
    warnings: tuple[Problem, ...] = ()
    """What the platform's lints have to say that is no error."""


def validate(
    device: str, xml: str, platform: Platform = Platform.REFERENCE, *, place: str = ""
) -> Payload:
    """Return `xml` as a payload for `device`.

    `xml` is a <config> element or the data elements in a row.  Raises SchemaError with every
    problem, the errors of the platform's lints among them, each at `place` (the device without one)
    and a data path.  Where the platform's modules are not at hand, the payload is `unproven`.
    """
    where = place or device
    try:
        schema = platform_schema(platform.value, device, lambda: xmltext.namespaces(xml))
    except xmltext.NotXmlError as error:
        raise SchemaError([Problem(Place(where), str(error))]) from None
    unproven = ""
    if isinstance(schema, Unproven):
        unproven = schema.reason
        try:
            tree: Mapping[str, Any] = untyped_tree(xml)
            text = to_xml(parse_siblings(xmltext.siblings(xml)))
        except (xmltext.NotXmlError, WireError) as error:
            raise SchemaError([Problem(Place(where), str(error))]) from None
        if faulty := readable(platform, where, tree):
            raise SchemaError(faulty)
    else:
        tree = schema.parse_xml(xml, where)
        text = schema.to_xml(tree, where)
    errors, warnings = lint(platform, where, tree)
    if errors:
        raise SchemaError(errors)
    return Payload(
        device=device, xml=xmltext.wrap(text), tree=tree, platform=platform,
        unproven=unproven, warnings=warnings,
    )  # fmt: skip


def render_router(plan: Plan, router_name: str, templates: Path | None = None) -> Payload:
    """Return the payload of one router of `plan`.

    Raises TemplateError where a template cannot be filled, SchemaError where the result is not
    valid.
    """
    part = part_of(plan, router_name)
    platform = part.router.platform
    variables = part.variables()
    pieces = [
        render_text(feature, column(platform), variables, templates)
        for feature in features_of(part)
    ]
    return validate(router_name, _one(pieces, router_name, platform), platform)


def _one(pieces: Sequence[str], device: str, platform: Platform) -> str:
    """Return the pieces of all features as one configuration."""
    try:
        nodes = [node for piece in pieces for node in parse_siblings(piece)]
    except WireError as error:
        what = f"a template of {column(platform)} gives {error}"
        raise TemplateError([Problem(Place(device), what)]) from None
    return to_xml(merge(nodes))


def render_plan(plan: Plan, templates: Path | None = None) -> dict[str, Payload]:
    """Return the payload of every router, in the order of the plan.

    Raises PlanError where templates do not exist, TemplateError where they cannot be filled,
    SchemaError where what they give is not valid; each with the problems of all devices.
    """
    if missing := missing_cells(plan, templates):
        raise PlanError(missing)
    payloads: dict[str, Payload] = {}
    wrong: dict[type[TemplateError | SchemaError], list[Problem]] = {}
    for name in plan.routers:
        try:
            payloads[name] = render_router(plan, name, templates)
        except (TemplateError, SchemaError) as error:
            wrong.setdefault(type(error), []).extend(error.problems)
    _raise_first(wrong)
    return payloads


def _raise_first(wrong: Mapping[type[TemplateError | SchemaError], Iterable[Problem]]) -> None:
    """A template that cannot be filled comes first; one template's problem is every device's."""
    for kind in (TemplateError, SchemaError):
        if kind in wrong:
            raise kind(tuple(dict.fromkeys(wrong[kind])))


def load_payloads(
    folder: Path, platforms: Mapping[str, Platform] = MappingProxyType({})
) -> dict[str, Payload]:
    """Return the payloads of the files <device>.xml in `folder`, by name of the device.

    `platforms` names the platform of a device, `reference` where it does not.  Raises UsageError
    where there is nothing to read, SchemaError with the problems of all files; each problem's place
    is the file, whose name is the device's, and the data path.
    """
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix == ".xml")
    except OSError as error:
        raise UsageError(f"{folder}: cannot read payloads: {error.strerror}") from None
    if not files:
        raise UsageError(f"{folder}: no payloads (<router>.xml); write some: llmsync render -o DIR")
    payloads: dict[str, Payload] = {}
    problems: list[Problem] = []
    for file in files:
        try:
            text = file.read_text("utf-8")
        except OSError as error:
            raise UsageError(f"{file}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise UsageError(f"{file}: is no UTF-8 text: byte {error.start}") from None
        platform = platforms.get(file.stem, Platform.REFERENCE)
        try:
            payloads[file.stem] = validate(file.stem, text, platform, place=str(file))
        except SchemaError as error:
            problems += error.problems
    if problems:
        raise SchemaError(problems)
    return payloads
