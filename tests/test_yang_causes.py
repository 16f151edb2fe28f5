"""A validator's faults: which ones matter, and that each message of libyang's has our words."""

from __future__ import annotations

import pytest

from toolkit.errors import Place, Problem
from toolkit.yang.causes import essential, problems
from toolkit.yang.engine import Fault
from toolkit.yang.lexicon import Lexicon
from toolkit.yang.reference import REFERENCE_MODULES, reference_search_path

ENTRY = "/llmsync-bier:bier/sub-domain[id='0']/encapsulation[bsl='64'][kind='mpls']"
BASE_MISSING = Fault('Mandatory node "bift-id-base" instance does not exist.', ENTRY)
RULE = Fault("labels 0..15 are reserved (RFC 3032)", ENTRY)
WRONG_VALUE = Fault('Invalid type uint32 value "x".', f"{ENTRY}/bift-id-base", reading=True)


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon(REFERENCE_MODULES, reference_search_path())


def test_a_leaf_of_the_wrong_type_is_not_reported_missing_too() -> None:
    assert essential([WRONG_VALUE, RULE, BASE_MISSING]) == [WRONG_VALUE]


def test_a_key_may_hold_slashes() -> None:
    port = "/ietf-interfaces:interfaces/interface[name='ge-0/0/1']"
    wrong = Fault('Invalid identityref "x" value - ...', f"{port}/type", reading=True)
    missing = Fault('Mandatory node "type" instance does not exist.', port)
    assert essential([wrong, missing]) == [wrong]


def test_a_rule_is_not_judged_while_its_operand_is_missing() -> None:
    assert essential([RULE, BASE_MISSING]) == [BASE_MISSING]


def test_a_rule_about_another_entry_stays() -> None:
    elsewhere = Fault(RULE.message, ENTRY.replace("64", "128"))
    assert essential([WRONG_VALUE, elsewhere]) == [WRONG_VALUE, elsewhere]


def test_an_entry_whose_key_was_wrong_is_not_reported_keyless_nor_its_list_too_short() -> None:
    parent = "/llmsync-bier:bier/sub-domain[id='0']/encapsulation"
    wrong = Fault('Invalid enumeration value "ip".', f"{parent}[bsl='64']/kind", reading=True)
    keyless = Fault('List instance is missing its key "kind".', f"{parent}[bsl='64']", reading=True)
    short = Fault('Too few "encapsulation" instances.', parent)
    assert essential([wrong, keyless, short]) == [wrong]
    assert essential([keyless]) == [keyless]
    assert essential([short]) == [short]


def test_repetitions_are_one_fault() -> None:
    assert essential([WRONG_VALUE, WRONG_VALUE]) == [WRONG_VALUE]


def test_a_message_without_words_of_ours_is_passed_on_in_one_line(lexicon: Lexicon) -> None:
    said = problems([Fault("Something\n  quite new.", "/a:b")], "ams1", lexicon)
    assert said == (Problem(Place("ams1", path="/a:b"), "Something quite new"),)


@pytest.mark.parametrize(
    ("message", "path", "said"),
    [
        (
            'Unsatisfied pattern - "x" does not conform to "[0-9a-f]{64}".',
            "/llmsync-delivery:deliveries/session[name='m']/receipt[receiver='c']/manifest-digest",
            '"x" has a wrong form (allowed: a text like [0-9a-f]{64})',
        ),
        (
            'Invalid union value "x" - no matching subtype found:\n    libyang 2 ...\n',
            "/llmsync-overlay:overlay/ingress-flow[source='192.0.2.1']/group",
            '"x" fits none of the types (allowed: an IPv4 or IPv6 address without a zone)',
        ),
        (
            'Failed to convert IPv6 address "x".',
            "/ietf-interfaces:interfaces/interface[name='a]/b']/ietf-ip:ipv6/address/ip",
            '"x" is no IPv6 address (allowed: an IPv6 address)',
        ),
        (
            'Value "-1" is out of type uint8 min/max bounds.',
            "/llmsync-bier:bier/sub-domain/id",
            "-1 is out of range (allowed: 0..255; RFC 8279 section 2)",
        ),
        (
            'Too many "area-address" instances.',
            "/llmsync-isis:isis/area-address[.='52']",
            "there are too many entries of area-address (at most 3)",
        ),
        ('Must condition "a = b" not satisfied.', "/x:y", "the rule a = b does not hold"),
        (
            'Node "biar" not found as a child of "config" node.',
            "",
            'there is no node "biar" in "config" (did you mean bier?)',
        ),
        (
            'Invalid boolean value "1".',
            "/nope:unknown",
            '"1" is no boolean',
        ),
    ],
)
def test_messages_become_plain_words_with_a_remedy(
    lexicon: Lexicon, message: str, path: str, said: str
) -> None:
    (problem,) = problems([Fault(message, path)], "ams1", lexicon)
    place = f"ams1: {path}" if path else "ams1"
    assert str(problem) == f"{place}: {said}"
