"""Cases about reading: RFC 6241 sections 4, 6, 7.1, 7.7 and 8.9, RFC 6022, 6243 and 8526."""

from __future__ import annotations

from netconf_cases.case import (
    COMMIT,
    E0,
    E0_E1,
    IF,
    ISIS,
    Case,
    Error,
    circuit,
    copy,
    described,
    edit,
    entry,
    get_config,
    gives,
    holds,
    interface,
    interfaces,
    isis,
    ok,
    ours,
    refused,
)

FULL = interfaces(
    interface("e0", described("one"), "<enabled>true</enabled>"),
    interface("e1", described("two"), "<enabled>false</enabled>"),
)
SET = ok(edit(FULL))
WD = "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults"
NMDA = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
DS = 'xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores"'
MONITORING = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"


def filtered(criteria: str) -> str:
    return get_config("candidate", criteria)


def xpath(select: str, store: str = "candidate") -> str:
    return (
        f'<get-config><source><{store}/></source><filter type="xpath" xmlns:if="{IF}" '
        f'xmlns:lsi="{ISIS}" xmlns:q="{IF}" select="{select}"/></get-config>'
    )


def with_defaults(mode: str) -> str:
    return f'<with-defaults xmlns="{WD}">{mode}</with-defaults>'


def get_data(store: str, *parts: str) -> str:
    inner = f"<datastore>ds:{store}</datastore>{''.join(parts)}"
    return f'<get-data xmlns="{NMDA}" {DS}>{inner}</get-data>'


def edit_data(store: str, config: str, *parts: str) -> str:
    return (
        f'<edit-data xmlns="{NMDA}" {DS}><datastore>ds:{store}</datastore>{"".join(parts)}'
        f"<config>{config}</config></edit-data>"
    )


MESSAGES = (
    Case("6241 7", "an operation that nobody knows", (
        refused("<reboot/>", Error("operation-not-supported", "protocol")),
    )),
    Case("6241 7.1", "a parameter that is missing", (
        refused("<get-config/>",
                Error("missing-element", "protocol", info=(("bad-element", "source"),))),
    )),
    Case("6241 7.1", "a parameter that nobody knows", (
        refused("<get><depth/></get>",
                Error("unknown-element", "protocol", info=(("bad-element", "depth"),))),
    )),
    Case("6241 7.1", "an empty datastore", (gives(ours("running"), ""),)),
)  # fmt: skip

SUBTREE = (
    Case("6241 6.4.1", "no filter: everything", (
        SET, holds(get_config(), "<description>one<", "<description>two<"),
    )),
    Case("6241 6.4.2", "an empty filter: nothing", (SET, gives(filtered(""), ""))),
    Case("6241 6.2.1", "a namespace that has no such node", (
        SET, gives(filtered(f'<interfaces xmlns="{ISIS}"/>'), ""),
    )),
    Case("6241 6.2.1", "no namespace: any", (
        SET, gives(filtered('<interfaces xmlns=""/>'), FULL),
    )),
    Case("6241 6.2.3", "containment", (
        SET, gives(filtered(interfaces("<interface/>")), FULL),
    )),
    Case("6241 6.2.4", "selection of leaves: the keys come along", (
        SET,
        gives(filtered(interfaces("<interface><description/></interface>")),
              interfaces(entry("e0", described("one")), entry("e1", described("two")))),
    )),
    Case("6241 6.2.4", "selection of keys and leaves", (
        SET,
        gives(filtered(interfaces("<interface><name/><description/></interface>")),
              interfaces(entry("e0", described("one")), entry("e1", described("two")))),
    )),
    Case("6241 6.2.5", "content match: the whole entry", (
        SET,
        gives(filtered(interfaces(entry("e1"))),
              interfaces(interface("e1", described("two"), "<enabled>false</enabled>"))),
    )),
    Case("6241 6.2.5", "content match and selection", (
        SET,
        gives(filtered(interfaces(entry("e1", "<enabled/>"))),
              interfaces(entry("e1", "<enabled>false</enabled>"))),
    )),
    Case("6241 6.2.5", "two content matches: both must hold", (
        SET,
        gives(filtered(interfaces(entry("e0", "<enabled>false</enabled>"))), ""),
        gives(filtered(interfaces(entry("e0", "<enabled>true</enabled>", "<description/>"))),
              interfaces(entry("e0", "<enabled>true</enabled>", described("one")))),
    )),
    Case("6241 6.3", "several subtrees add up", (
        SET,
        ok(edit(isis(circuit("e0")))),
        gives(filtered(interfaces(entry("e0", "<enabled/>"))
                       + f'<isis xmlns="{ISIS}"><system-id/></isis>'),
              interfaces(entry("e0", "<enabled>true</enabled>"))
              + f'<isis xmlns="{ISIS}"><system-id>0000.0000.0001</system-id></isis>'),
    )),
    Case("6241 6.4.3", "a type of filter that nobody knows", (
        refused('<get><filter type="regex"/></get>', Error("bad-attribute", "protocol", info=(
            ("bad-attribute", "type"), ("bad-element", "filter")))),
    )),
)  # fmt: skip

XPATH = (
    Case("6241 8.9", "a list entry by its key", (
        SET,
        gives(xpath("/if:interfaces/if:interface[if:name='e1']"),
              interfaces(interface("e1", described("two"), "<enabled>false</enabled>"))),
    )),
    Case("6241 8.9", "a leaf: ancestors and keys come along", (
        SET,
        gives(xpath("/if:interfaces/if:interface[if:enabled='false']/if:description"),
              interfaces(entry("e1", described("two")))),
    )),
    Case("6241 8.9", "a union of two paths", (
        SET,
        ok(edit(isis())),
        gives(xpath("/lsi:isis/lsi:system-id | "
                    "/if:interfaces/if:interface[if:name='e0']/if:enabled"),
              interfaces(entry("e0", "<enabled>true</enabled>"))
              + f'<isis xmlns="{ISIS}"><system-id>0000.0000.0001</system-id></isis>'),
    )),
    Case("6241 8.9", "descendants", (
        SET,
        gives(xpath("//if:description"),
              interfaces(entry("e0", described("one")), entry("e1", described("two")))),
    )),
    Case("6241 8.9.1", "prefixes are those of the request", (
        SET,
        gives(xpath("/q:interfaces/q:interface[q:name='e0']/q:enabled"),
              interfaces(entry("e0", "<enabled>true</enabled>"))),
    )),
    Case("6241 8.9", "nothing is selected", (
        SET, gives(xpath("/if:interfaces/if:interface[if:name='e9']"), ""),
    )),
    Case("6241 8.9.1", "an expression without a node-set", (
        refused(xpath("count(/if:interfaces)"), Error("invalid-value", "protocol")),
    )),
    Case("6241 8.9.1", "an expression that is none", (
        refused(xpath("/if:interfaces["), Error("invalid-value", "protocol")),
    )),
    Case("6241 8.9.1", "a prefix that is not declared", (
        refused(xpath("/nobody:interfaces"), Error("invalid-value", "protocol")),
    )),
    Case("6241 8.9.5.1", "no expression", (
        refused('<get><filter type="xpath"/></get>', Error("missing-attribute", "protocol", info=(
            ("bad-attribute", "select"), ("bad-element", "filter")))),
    )),
)  # fmt: skip

DEFAULTS = ok(edit(interfaces(interface("e0"), interface("e1", "<enabled>true</enabled>"))))
FILTER = interfaces("<interface><name/><enabled/></interface>")


def defaults(mode: str, *entries: str) -> Case:
    request = get_config("candidate", FILTER, with_defaults(mode))
    return Case("6243 3", mode, (DEFAULTS, gives(request, interfaces(*entries))))


WITH_DEFAULTS = (
    defaults("explicit", entry("e0"), entry("e1", "<enabled>true</enabled>")),
    defaults("report-all", entry("e0", "<enabled>true</enabled>"),
             entry("e1", "<enabled>true</enabled>")),
    defaults("trim", entry("e0"), entry("e1")),
    Case("6243 3.4", "report-all-tagged", (
        DEFAULTS,
        holds(get_config("candidate", FILTER, with_defaults("report-all-tagged")),
              'default="true"'),
    )),
    Case("6243 4.5", "a mode that nobody knows", (
        refused(get_config("running", None, with_defaults("all")), Error(
            "invalid-value", "protocol", info=(("bad-element", "with-defaults"),))),
    )),
    Case("6243 4.5.1", "copy-config with report-all", (
        DEFAULTS,
        ok(COMMIT),
        ok(copy("<running/>", "candidate", with_defaults("report-all"))),
        gives(get_config("candidate", FILTER),
              interfaces(entry("e0", "<enabled>true</enabled>"),
                         entry("e1", "<enabled>true</enabled>"))),
    )),
    Case("6243 4.5.2", "a tagged default is unset", (
        DEFAULTS,
        ok(edit(interfaces(entry(
            "e1", '<enabled xmlns:wd="urn:ietf:params:xml:ns:netconf:default:1.0" '
            'wd:default="true">true</enabled>')))),
        gives(get_config("candidate", FILTER), interfaces(entry("e0"), entry("e1"))),
    )),
    Case("6243 4.5.2", "a tagged value that is not the default", (
        refused(edit(interfaces(interface(
            "e1", '<enabled xmlns:wd="urn:ietf:params:xml:ns:netconf:default:1.0" '
            'wd:default="true">false</enabled>'))),
            Error("invalid-value", "application",
                  "/ietf-interfaces:interfaces/interface[name='e1']/enabled")),
    )),
)  # fmt: skip

GET = (
    Case("6241 7.7", "state of the server", (
        ok("<lock><target><running/></target></lock>"),
        holds(f'<get><filter><netconf-state xmlns="{MONITORING}"><datastores/></netconf-state>'
              "</filter></get>", "locked-by-session"),
    )),
    Case("6241 7.7", "configuration is there, too", (
        ok(edit(E0)),
        ok(COMMIT),
        holds(f'<get><filter><interfaces xmlns="{IF}"/></filter></get>', "<name>e0</name>"),
    )),
    Case("6022 3.1", "a module", (
        holds(f'<get-schema xmlns="{MONITORING}"><identifier>llmsync-isis</identifier>'
              "</get-schema>", "module llmsync-isis"),
    )),
    Case("6022 3.1", "a module that is not there", (
        refused(f'<get-schema xmlns="{MONITORING}"><identifier>nothing</identifier></get-schema>',
                Error("invalid-value", "application")),
    )),
)  # fmt: skip

READ_DATA = (
    Case("8526 3.1.1", "a datastore by identity", (
        SET,
        gives(get_data("candidate", f"<subtree-filter>{interfaces(entry('e1', '<enabled/>'))}"
                       "</subtree-filter>"),
              interfaces(entry("e1", "<enabled>false</enabled>"))),
    )),
    Case("8526 3.1.1", "an XPath filter", (
        SET,
        gives(get_data("candidate", f'<xpath-filter xmlns:if="{IF}">//if:enabled</xpath-filter>'),
              interfaces(entry("e0", "<enabled>true</enabled>"),
                         entry("e1", "<enabled>false</enabled>"))),
    )),
    Case("8526 3.1.1", "max-depth counts from what is selected", (
        SET,
        gives(get_data("candidate", f"<subtree-filter>{interfaces()}</subtree-filter>",
                       "<max-depth>1</max-depth>"), interfaces()),
        gives(get_data("candidate", f"<subtree-filter>{interfaces()}</subtree-filter>",
                       "<max-depth>2</max-depth>"), interfaces(entry("e0"), entry("e1"))),
        gives(get_data("candidate", f"<subtree-filter>{interfaces()}</subtree-filter>",
                       "<max-depth>unbounded</max-depth>"), FULL),
    )),
    Case("8526 3.1.1", "configuration or state alone", (
        ok(edit(E0)),
        ok(COMMIT),
        gives(get_data("operational", f"<subtree-filter>{interfaces()}</subtree-filter>",
                       "<config-filter>false</config-filter>"), ""),
        gives(get_data("operational", f"<subtree-filter>{interfaces()}</subtree-filter>",
                       "<config-filter>true</config-filter>"), E0),
    )),
    Case("8526 3.1.1", "a datastore that is not there", (
        refused(get_data("dynamic"), Error("invalid-value", "protocol")),
    )),
    Case("8526 3.1.1", "no datastore", (
        refused(f'<get-data xmlns="{NMDA}"/>', Error("missing-element", "protocol", info=(
            ("bad-element", "datastore"),))),
    )),
    Case("8526 3.1.1", "origins are not offered", (
        refused(get_data("operational", "<with-origin/>"),
                Error("unknown-element", "protocol", info=(("bad-element", "with-origin"),))),
    )),
    Case("8526 3.1.1", "with-defaults of operational is not offered", (
        refused(get_data("operational", "<with-defaults>report-all</with-defaults>"),
                Error("invalid-value", "protocol")),
    )),
    Case("8342 5.1.4", "intended is what runs", (
        ok(edit(E0)),
        ok(COMMIT),
        gives(get_data("intended", f"<subtree-filter>{interfaces()}</subtree-filter>"), E0),
    )),
    Case("8526 3.1.2", "edit-data", (
        ok(edit_data("candidate", E0)), gives(ours(), E0),
    )),
    Case("8526 3.1.2", "edit-data is all or nothing", (
        refused(edit_data("candidate", E0 + '<isis xmlns="urn:llmsync:isis"><nothing/></isis>'),
                Error("unknown-element", "application")),
        gives(ours(), ""),
    )),
    Case("8526 3.1.2", "a datastore that cannot be written", (
        refused(edit_data("running", E0_E1), Error("invalid-value", "protocol")),
        refused(edit_data("operational", E0_E1), Error("invalid-value", "protocol")),
    )),
    Case("8526 3.2.1", "a lock by identity", (
        ok(f'<lock><target><datastore xmlns="{NMDA}" {DS}>ds:running</datastore></target></lock>'),
        refused("<lock><target><running/></target></lock>", Error("lock-denied"), session=2),
    )),
)  # fmt: skip

CASES = (*MESSAGES, *SUBTREE, *XPATH, *WITH_DEFAULTS, *GET, *READ_DATA)
