"""XPath filters: RFC 6241 section 8.9 and XPath 1.0, with expressions that mean harm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netconf_example import CONFIG_NS, SCHEMA, data, inside

from toolkit.netconf.datastore import EMPTY
from toolkit.netconf.rpcerror import RefusedError
from toolkit.netconf.tree import Node, QName
from toolkit.netconf.xpath import MAX_LENGTH, MAX_NESTING, matches_xpath, select_xpath

USERS = (
    "<users><user><name>fred</name><type>admin</type><full-name>Fred Flintstone</full-name>"
    "<company-info><dept>2</dept><id>2</id></company-info></user>"
    "<user><name>barney</name><type>admin</type><full-name>Barney Rubble</full-name>"
    "<company-info><dept>3</dept></company-info></user></users><tag>x</tag><tag>y</tag>"
)
PREFIXES = {"t": CONFIG_NS}


def chosen(expression: str, text: str = USERS) -> str:
    return inside(select_xpath(data(text), expression, PREFIXES, SCHEMA))


def refusal(expression: str, tree: Node | None = None) -> tuple[str, str]:
    with pytest.raises(RefusedError) as caught:
        select_xpath(tree or data(USERS), expression, PREFIXES, SCHEMA)
    (error,) = caught.value.errors
    return error.tag, error.message


def user(name: str, *leaves: str) -> str:
    return f"<users><user><name>{name}</name>{''.join(leaves)}</user></users>"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # RFC 6241 section 8.9.5.2: the example
        ("/t:top/t:users/t:user[t:name='fred']",
         user("fred", "<type>admin</type><full-name>Fred Flintstone</full-name>"
              "<company-info><dept>2</dept><id>2</id></company-info>")),
        ("t:top/t:users/t:user[t:name='fred']/t:type", user("fred", "<type>admin</type>")),
        ("/t:top/t:users/t:user[t:company-info/t:id]/t:name", user("fred")),
        ("/t:top/t:tag[2]", "<tag>y</tag>"),
        ("/t:top/t:tag[. = 'x']/text()", "<tag>x</tag>"),
        ("//t:dept[. > 2]", user("barney", "<company-info><dept>3</dept></company-info>")),
        ("//t:id/../../t:type", user("fred", "<type>admin</type>")),
        ("/t:top/t:tag | /t:top/t:users/t:user[1]/t:type",
         user("fred", "<type>admin</type>") + "<tag>x</tag><tag>y</tag>"),
        ("/t:top/t:users/t:user[t:name=/t:top/t:nothing]", ""),
        ("/top", ""),  # no prefix: no namespace
        ("//@*", ""),
        ("/t:top/t:users/t:user[starts-with(t:full-name, 'B') and t:type='admin']/t:type",
         user("barney", "<type>admin</type>")),
        ("/t:top/*[local-name()='tag'][position() = last()]", "<tag>y</tag>"),
        ("/t:top/child::t:tag[1]", "<tag>x</tag>"),
        ("/t:top/t:users/t:user[t:company-info/t:dept * 2 = 4]/t:type",
         user("fred", "<type>admin</type>")),
        ("/t:top/t:users/t:user[t:company-info/t:dept mod 2 = 1]/t:type",
         user("barney", "<type>admin</type>")),
        ("(/t:top/t:tag)[1]", "<tag>x</tag>"),
    ],
)  # fmt: skip
def test_an_expression_selects_nodes_with_their_ancestors_and_keys(expression, expected):
    assert chosen(expression) == expected


@pytest.mark.parametrize("expression", ["/", "//*", "/node()", "/t:top", ".", "/*/.."])
def test_all_of_it(expression):
    assert chosen(expression) == USERS


def test_the_root_is_the_parent_of_every_top_level_node():
    tree = EMPTY.with_children((*data("<tag>x</tag>").children, Node(QName("urn:o", "other"), "1")))
    found = select_xpath(tree, "/o:other | /t:top", {"o": "urn:o", **PREFIXES})
    assert found == tree
    assert select_xpath(tree, "/o:other", {"o": "urn:o"}).children == tree.children[1:]


@pytest.mark.parametrize(
    "expression",
    [
        "", "  ", "count(//t:tag)", "'text'", "1 + 1", "true()", "/t:top[", "/t:top//", "//",
        "/u:top", "$variable", "document('file:///etc/passwd')", "unparsed-entity-uri('x')",
        "re:match(., '(a+)+')", "exsl:node-set(.)", "str:padding(100000000)", "t:call()",
        "current()/x", "/t:top#", "\x00", "é('",
    ],
)  # fmt: skip
def test_what_is_no_expression_for_nodes_is_an_invalid_value(expression):
    assert refusal(expression)[0] == "invalid-value"


def test_the_message_says_what_is_wrong():
    assert refusal("count(//t:tag)")[1] == (
        "the XPath expression cannot be used: it gives a value, not a node-set"
    )
    assert refusal("/t:top/#")[1].endswith("'#' makes no sense")
    assert refusal("x" * (MAX_LENGTH + 1))[1].endswith("it is longer than 4096 characters")
    deep = "(" * (MAX_NESTING + 1) + "/" + ")" * (MAX_NESTING + 1)
    assert refusal(deep)[1].endswith("it nests deeper than 8")


BIG = data("".join(f"<tag>t{n}</tag>" for n in range(20_000)))


@pytest.mark.parametrize(
    "expression",
    [
        "//*[count(//*[count(//*) > 1]) > 1]",
        "//t:tag[count(../t:tag) > 3]",
        "//t:tag[preceding-sibling::t:tag = 'x']",
        "//t:tag/following::t:tag",
        "//*[ancestor::*[//*]]",
        "/t:top/t:tag[/t:top/t:tag = .]",
        "//t:tag/../t:tag",
        "//t:tag" + "[../t:tag]" * 300,
        "//t:tag" + "[.//t:tag]" * 300,
    ],
)
def test_what_would_look_at_everything_for_every_node_is_denied(expression):
    assert refusal(expression, BIG)[0] == "resource-denied"


def test_long_lists_are_searched_all_the_same():
    for expression in (
        "/t:top/t:tag[. = 't777']",
        "//t:tag[. = 't777']",
        "//t:*[string(.)='t777']",
    ):
        found = select_xpath(BIG, expression, PREFIXES, SCHEMA)
        assert inside(found) == "<tag>t777</tag>"


def test_an_event_matches_or_does_not():
    event = Node(QName("urn:e", "alarm"), children=(Node(QName("urn:e", "level"), "3"),))
    prefixes = {"e": "urn:e"}
    assert matches_xpath(event, "/e:alarm[e:level > 2]", prefixes)
    assert not matches_xpath(event, "/e:alarm[e:level > 3]", prefixes)


@given(st.text(alphabet="/t:ops[]()*.|=@'1 and-", max_size=20))
def test_no_text_is_more_than_an_expression_or_a_refusal(expression):
    tags: set[str] = set()
    found = EMPTY
    try:
        found = select_xpath(data(USERS), expression, PREFIXES, SCHEMA)
    except RefusedError as error:
        tags = {e.tag for e in error.errors}
    assert tags <= {"invalid-value", "resource-denied"}
    assert part_of(found, data(USERS))


def part_of(part: Node, whole: Node) -> bool:
    """Return whether `part` is `whole` with some nodes left away."""
    rest = iter(whole.children)
    return part.value == whole.value and all(
        any(c.name == w.name and part_of(c, w) for w in rest) for c in part.children
    )
