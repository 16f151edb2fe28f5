"""Does an answer say what a case expects?  By meaning: no prefix, order or white space counts."""

from __future__ import annotations

import re

from lxml import etree

from netconf_cases.case import BASE, Error, Step

_PREFIXED = re.compile(r"([A-Za-z_][\w.-]*):(?=[A-Za-z_])")
NAMESPACES = {
    "urn:ietf:params:xml:ns:yang:ietf-interfaces": "ietf-interfaces",
    "urn:llmsync:isis": "llmsync-isis",
}


def canonical(element: etree._Element) -> tuple:
    """Return an element so that two are equal where they mean the same."""
    text = (element.text or "").strip() if not len(element) else ""
    for prefix, namespace in element.nsmap.items():
        if prefix and text.startswith(f"{prefix}:"):
            text = f"{{{namespace}}}{text[len(prefix) + 1 :]}"
    children = sorted(map(canonical, _told(element)))
    return (str(element.tag), text, tuple(sorted(element.attrib.items())), tuple(children))


def _told(element: etree._Element) -> list[etree._Element]:
    """Return the children; an empty container says nothing (RFC 7950 section 7.5.1)."""
    children = [child for child in element if isinstance(child.tag, str)]
    return [c for c in children if len(c) or c.text or etree.QName(c).localname != "interfaces"]


def _meaning(xml: str) -> list[tuple]:
    return sorted(map(canonical, _told(etree.fromstring(f"<data>{xml}</data>"))))


def path_of(node: etree._Element | None) -> str:
    """Return an error-path with module names where they change and no other prefix."""
    if node is None or not node.text:
        return ""
    previous, steps = "", []
    # netconfd shows the way through the request, too (RFC 7950 section 8.3.1 has the data alone).
    text = re.sub(r"^/nc:rpc/(nc:)?edit-config/(nc:)?config(?=/)", "", node.text.strip())
    for step in text.strip("/").split("/"):
        name, bracket, predicates = step.partition("[")
        prefix, _, local = name.rpartition(":")
        module = NAMESPACES.get(node.nsmap.get(prefix, ""), prefix)
        plain = _PREFIXED.sub("", predicates).replace('"', "'")
        steps.append((f"{module}:" if module != previous else "") + local + bracket + plain)
        previous = module
    return "/" + "/".join(steps)


def problems(step: Step, reply: str, *, exact: bool) -> list[str]:
    """Return how `reply` differs from what `step` expects; nothing where it does not.

    `exact` is for our own server: error-type, error-info and the number of errors count too.
    """
    root = etree.fromstring(reply.encode())
    found = root.findall(f"{{{BASE}}}rpc-error")
    if step.errors or found:
        if not step.errors:
            return [f"refused: {[_tag(e) for e in found]}"]
        if len(found) < len(step.errors) or (exact and len(found) != len(step.errors)):
            return [f"{len(found)} errors, not {len(step.errors)}: {[_tag(e) for e in found]}"]
        pairs = zip(step.errors, found, strict=False)
        return [line for e, f in pairs for line in _differences(e, f, exact=exact)]
    if step.held:
        return [f"{text!r} is not in the reply" for text in step.held if text not in reply]
    if step.data is None:
        return [] if root.find(f"{{{BASE}}}ok") is not None else [f"no <ok/>: {reply[:300]}"]
    data = next((c for c in root if etree.QName(c).localname == "data"), None)
    if data is None:
        return [f"no <data>: {reply[:300]}"]
    got = sorted(map(canonical, _told(data)))
    return [] if got == _meaning(step.data) else [f"data: {etree.tostring(data).decode()[:600]}"]


def _tag(error: etree._Element) -> str:
    return " ".join(str(c.text) for c in error if etree.QName(c).localname != "error-info")


def _differences(expected: Error, found: etree._Element, *, exact: bool) -> list[str]:
    def text(name: str) -> str:
        return (found.findtext(f"{{{BASE}}}{name}") or "").strip()

    lines = []
    pairs = [("error-tag", expected.tag), ("error-app-tag", expected.app_tag)]
    if exact:
        pairs.append(("error-type", expected.type))
    for name, wanted in pairs:
        if wanted and text(name) != wanted:
            lines.append(f"{name} {text(name)!r}, not {wanted!r} ({_tag(found)})")
    path = path_of(found.find(f"{{{BASE}}}error-path"))
    if expected.path and path != expected.path:
        lines.append(f"error-path {path!r}, not {expected.path!r}")
    if exact and expected.info:
        info = found.find(f"{{{BASE}}}error-info")
        given = {etree.QName(c).localname: c.text or "" for c in (info if info is not None else ())}
        if given != dict(expected.info):
            lines.append(f"error-info {given}, not {dict(expected.info)}")
    return lines
