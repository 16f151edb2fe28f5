"""A validator's faults as problems that a network engineer can act on.

Two steps.  `essential` drops what only follows from something worse: a validator that goes on
after an error finds a leaf of the wrong type missing too.  `problems` says each remaining fault in
plain words, with a remedy taken from the modules.  Pure, but for the lexicon's reading of modules.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from toolkit.errors import Place, Problem
from toolkit.yang.engine import Fault
from toolkit.yang.lexicon import Lexicon, some

_MANDATORY = re.compile(r'Mandatory node "(?P<node>[^"]+)" instance does not exist')
_TOO_FEW = re.compile(r'Too few "(?P<node>[^"]+)" instances')
_NO_KEY = re.compile(r'List instance is missing its key "(?P<node>[^"]+)"')
_NO_TARGET = re.compile(
    r'Invalid leafref value "(?P<value>[^"]*)" - no target instance "(?P<target>[^"]+)"'
)
_LAST_STEP = re.compile(r"""/(?P<name>[^/\[]+)(?:\[(?:[^\]'"]|'[^']*'|"[^"]*")*\])*\Z""")
"""Keys may hold slashes: `interface[name='ge-0/0/1']` is one step."""


def essential(faults: Iterable[Fault]) -> list[Fault]:
    """Return `faults` without repetitions and without those that follow from another of them."""
    unique = list(dict.fromkeys(faults))
    read = [f.path for f in unique if f.reading and f.path]
    absent = [f.path for f in unique if _MANDATORY.match(f.message) and f.path]
    return [f for f in unique if not _follows(f, read, absent)]


def _follows(fault: Fault, read: Sequence[str], absent: Sequence[str]) -> bool:
    if found := _MANDATORY.match(fault.message) or _NO_KEY.match(fault.message):
        return any(_is_child(path, found["node"], fault.path) for path in read)
    if _TOO_FEW.match(fault.message):
        return any(path == fault.path or path.startswith((fault.path + "/", fault.path + "["))
                   for path in read)  # fmt: skip
    if not fault.reading and not _known(fault.message):
        # A `must` with our own words: worth nothing while its operands are missing or wrong.
        return any(path == fault.path or path.startswith(fault.path + "/") for path in read) or (
            fault.path in absent
        )
    return False


def _is_child(path: str, name: str, parent: str) -> bool:
    """Say whether `path` is node `name` of `parent`, whose keys depend on how far it was read."""
    last, above = _LAST_STEP.search(path), _LAST_STEP.search(parent)
    if last is None or last["name"].rpartition(":")[2] != name:
        return False
    reader = path[: last.start()]
    step = _LAST_STEP.search(reader)
    if step is None or above is None:
        return reader == parent
    return (reader[: step.start()], step["name"]) == (parent[: above.start()], above["name"])


@dataclass(frozen=True, slots=True)
class _Rule:
    """A validator's message and what we say instead; groups of the pattern are fields of `what`."""

    pattern: re.Pattern[str]
    what: str
    remedy: Callable[[Lexicon, str, dict[str, str]], str] = lambda *_: ""


def _allowed(lexicon: Lexicon, path: str, _: dict[str, str]) -> str:
    text = lexicon.allowed(path)
    return f"allowed: {text}" if text else ""


def _near(lexicon: Lexicon, path: str, groups: dict[str, str]) -> str:
    names = lexicon.children(path)
    close = difflib.get_close_matches(groups["node"], names, n=1)
    if groups["node"] in names:
        feature = lexicon.argument(f"{path}/{groups['node']}", "if-feature")
        return (
            f"it needs feature {feature}, which the device does not support"
            if feature
            else "its namespace is not the one of the node with this name"
        )
    if close:
        return f"did you mean {close[0]}?"
    return f"there are {some(names)}" if names else ""


def _key_names(lexicon: Lexicon, path: str, _: dict[str, str]) -> str:
    keys = lexicon.keys(path)
    return f"each entry is named by its {' and '.join(keys)}" if keys else ""


def _at_least(lexicon: Lexicon, path: str, _: dict[str, str]) -> str:
    number = lexicon.argument(path, "min-elements")
    return f"at least {number}" if number else ""


def _at_most(lexicon: Lexicon, path: str, _: dict[str, str]) -> str:
    number = lexicon.argument(path, "max-elements")
    return f"at most {number}" if number else ""


def _say(text: str) -> Callable[[Lexicon, str, dict[str, str]], str]:
    return lambda *_: text


def _rule(
    pattern: str,
    what: str,
    remedy: Callable[[Lexicon, str, dict[str, str]], str] = lambda *_: "",
) -> _Rule:
    return _Rule(re.compile(pattern, re.DOTALL), what, remedy)


_RULES: tuple[_Rule, ...] = (
    _rule(
        r'Node "(?P<node>[^"]+)" not found as a child of "(?P<parent>[^"]+)" node',
        'there is no node "{node}" in "{parent}"', _near,
    ),
    _rule(
        r'Node "(?P<node>[^"]+)" not found in the "(?P<module>[^"]+)" module',
        'module {module} has no top-level node "{node}"', _near,
    ),
    _rule(
        r'(?:Unsatisfied range - value|Value) "(?P<value>[^"]*)" is out of (?:the allowed|type)',
        "{value} is out of range", _allowed,
    ),
    _rule(
        r'Unsatisfied length - string "(?P<value>.*)" length is not allowed',
        '"{value}" has a wrong length', _allowed,
    ),
    _rule(
        r'Unsatisfied pattern - "(?P<value>.*)" does not (?:match|conform to) "',
        '"{value}" has a wrong form', _allowed,
    ),
    _rule(
        r'Invalid enumeration value "(?P<value>[^"]*)"',
        '"{value}" is none of the possible values', _allowed,
    ),
    _rule(
        r'Invalid identityref "(?P<value>[^"]*)" value - identity not found in module '
        r'"(?P<module>[^"]+)"',
        'module {module} defines no identity "{value}"', _allowed,
    ),
    _rule(
        r'Invalid identityref "(?P<value>[^"]*)" value - unable to map prefix',
        'the prefix of identity "{value}" is not declared',
        _say("declare it on the element or on one around it"),
    ),
    _rule(r'Invalid boolean value "(?P<value>[^"]*)"', '"{value}" is no boolean', _allowed),
    _rule(
        r'Failed to store (?P<kind>IPv[46] \w+) "(?P<value>[^"]*)"',
        '"{value}" is no {kind}', _allowed,
    ),
    _rule(
        r'Failed to convert (?P<kind>IPv[46] \w+) "(?P<value>[^"]*)"',
        '"{value}" is no {kind}', _allowed,
    ),
    _rule(
        r'Invalid union value "(?P<value>[^"]*)"', '"{value}" fits none of the types', _allowed,
    ),
    _rule(
        r'Invalid non-(?P<kind>\w+)-encoded (?P<type>\S+) value "(?P<value>[^"]*)"',
        '"{value}" must be a JSON {kind} here', _say("encoding rules: RFC 7951 section 6"),
    ),
    _rule(
        _NO_TARGET.pattern, '"{value}" is not configured at {target}',
        _say("configure it there, or correct the name"),
    ),
    _rule(
        r'Expecting JSON (?:name/)?(?P<want>[\w ]+) but \w+ "(?P<node>[^"]+)" is represented in '
        r"input data as (?:name/)?(?P<got>.+?)\.?\Z",
        '"{node}" must be a JSON {want}, not {got}', _say("encoding rules: RFC 7951 section 5"),
    ),
    _rule(
        r'Invalid (?:type )?(?P<type>\w+) value "(?P<value>[^"]*)"',
        '"{value}" is no {type}', _allowed,
    ),
    _rule(_MANDATORY.pattern, "{node} is missing and must be given"),
    _rule(_TOO_FEW.pattern, "there are too few entries of {node}", _at_least),
    _rule(
        r'Too many "(?P<node>[^"]+)" instances', "there are too many entries of {node}", _at_most,
    ),
    _rule(_NO_KEY.pattern, "the key {node} is missing", _key_names),
    _rule(r'Duplicate instance of "(?P<node>[^"]+)"', "{node} is given twice", _say("remove one")),
    _rule(
        r'Unexpected data state node "(?P<node>[^"]+)" found',
        "{node} is state of the device, not configuration", _say("leave it out"),
    ),
    _rule(
        r'No module with namespace "(?P<uri>[^"]*)" in the context',
        "the device has no module with namespace {uri}", _say("correct xmlns"),
    ),
    _rule(
        r'No module named "(?P<name>[^"]*)" in the context',
        'the device has no module "{name}"', _say("top-level names are module:name"),
    ),
    _rule(r"Missing XML namespace", "an element has no namespace", _say("add xmlns")),
    _rule(
        r'Top-level JSON object member "(?P<node>[^"]*)" must be namespace-qualified',
        '"{node}" lacks its module\'s name', _say("top-level names are module:name"),
    ),
    _rule(
        r'Text value "(?P<value>.*)" inside an inner node "(?P<node>[^"]+)" found',
        'text "{value}" inside "{node}", which holds only nodes',
    ),
    _rule(
        r'Unknown \(or not implemented\) YANG module with namespace "[^"]*" '
        r'for metadata "(?P<name>[^"]+)"',
        'attribute "{name}" has no place in data', _say("remove it"),
    ),
    _rule(r'Must condition "(?P<text>.*)" not satisfied', "the rule {text} does not hold"),
    _rule(
        r'When condition "(?P<text>.*)" not satisfied',
        "it may only be given where {text} holds",
    ),
)  # fmt: skip


def _known(message: str) -> bool:
    return any(rule.pattern.match(message) for rule in _RULES)


def problems(faults: Iterable[Fault], device: str, lexicon: Lexicon) -> tuple[Problem, ...]:
    """Return every essential fault as a problem of `device`."""
    return tuple(dict.fromkeys(_problem(fault, device, lexicon) for fault in essential(faults)))


def _problem(fault: Fault, device: str, lexicon: Lexicon) -> Problem:
    for rule in _RULES:
        if found := rule.pattern.match(fault.message):
            groups = {name: text or "" for name, text in found.groupdict().items()}
            remedy = rule.remedy(lexicon, fault.path, groups)
            return Problem(Place(device, path=fault.path), rule.what.format(**groups), remedy)
    # The modules' own error-message statements, and whatever the table does not know.
    return Problem(Place(device, path=fault.path), " ".join(fault.message.split()).rstrip("."))
