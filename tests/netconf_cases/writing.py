"""Cases about writing: RFC 6241 sections 7.2 to 7.4 and 8.3 to 8.7, RFC 7950 sections 7 and 8.3."""

from __future__ import annotations

from netconf_cases.case import (
    COMMIT,
    DISCARD,
    E0,
    E0_E1,
    IF,
    ISIS,
    PATH,
    Case,
    Error,
    circuit,
    copy,
    described,
    edit,
    entry,
    get_config,
    gives,
    interface,
    interfaces,
    isis,
    ok,
    ours,
    refused,
)

SET = ok(edit(E0))


def changed(section: str, name: str, change: str, after: str, *options: str) -> Case:
    """Return a case that edits E0 and finds `after`."""
    return Case(section, name, (SET, ok(edit(change, *options)), gives(ours(), after)))


def denied(section: str, name: str, change: str, *errors: Error) -> Case:
    """Return a case that edits E0, is refused, and finds E0."""
    return Case(section, name, (SET, refused(edit(change), *errors), gives(ours(), E0)))


OPERATIONS = (
    changed("6241 7.2", "merge adds", interfaces(interface("e1")), E0_E1),
    changed("6241 7.2", "merge changes a leaf", interfaces(entry("e0", described("x"))),
            interfaces(interface("e0", described("x")))),
    changed("6241 7.2", "replace of an entry", interfaces(
        interface("e0", "<enabled>false</enabled>", operation="replace")),
        interfaces(interface("e0", "<enabled>false</enabled>"))),
    changed("6241 7.2", "replace of a container", interfaces(
        interface("e1"), operation="replace"), interfaces(interface("e1"))),
    changed("6241 7.2", "create", interfaces(interface("e1", operation="create")), E0_E1),
    denied("6241 7.2", "create of what exists", interfaces(interface("e0", operation="create")),
           Error("data-exists", "application", PATH("e0"))),
    changed("6241 7.2", "delete", interfaces(entry("e0", operation="delete")), ""),
    denied("6241 7.2", "delete of what does not exist",
           interfaces(entry("e9", operation="delete")),
           Error("data-missing", "application", PATH("e9"))),
    changed("6241 7.2", "remove", interfaces(entry("e0", operation="remove")), ""),
    changed("6241 7.2", "remove of what does not exist",
            interfaces(entry("e9", operation="remove")), E0),
    denied("6241 7.2", "an operation that nobody knows",
           interfaces(entry("e0", operation="clear")),
           Error("bad-attribute", "application", info=(
               ("bad-attribute", "operation"), ("bad-element", "interface")))),
    denied("6241 7.2", "an attribute that nobody knows",
           interfaces('<interface colour="red"><name>e0</name></interface>'),
           Error("unknown-attribute", "application")),
)  # fmt: skip

DEFAULT_OPERATION = (
    changed("6241 7.2", "default-operation merge", interfaces(interface("e1")), E0_E1,
            "default-operation=merge"),
    changed("6241 7.2", "default-operation none, with an operation inside",
            interfaces(interface("e1", operation="create")), E0_E1, "default-operation=none"),
    changed("6241 7.2", "default-operation none changes nothing",
            interfaces(entry("e0", described("x"))).replace(described("x"), ""), E0,
            "default-operation=none"),
    Case("6241 7.2", "default-operation none of what does not exist", (
        SET,
        refused(edit(interfaces(interface("e9")), "default-operation=none"),
                Error("data-missing", "application", PATH("e9"))),
    )),
    Case("6241 7.2", "default-operation replace", (
        SET,
        ok(edit(isis())),
        ok(edit(interfaces(interface("e1")), "default-operation=replace")),
        gives(ours(), interfaces(interface("e1"))),
    )),
    Case("6241 7.2", "default-operation create", (
        refused(edit(E0, "default-operation=create"),
                Error("invalid-value", info=(("bad-element", "default-operation"),))),
    )),
)  # fmt: skip

BROKEN = interfaces(
    interface("e0", operation="create"),
    interface("e1", operation="create"),
    entry("e9", operation="delete"),
)
EXISTS = Error("data-exists", "application", PATH("e0"))
MISSING = Error("data-missing", "application", PATH("e9"))


def error_option(name: str, after: str, *errors: Error) -> Case:
    return Case("6241 7.2", f"error-option {name} with test-option set", (
        SET,
        refused(edit(BROKEN, "test-option=set", f"error-option={name}"), *errors),
        gives(ours(), after),
    ))  # fmt: skip


ERROR_OPTIONS = (
    error_option("stop-on-error", E0, EXISTS),
    error_option("continue-on-error", E0_E1, EXISTS, MISSING),
    error_option("rollback-on-error", E0, EXISTS, MISSING),
    Case("6241 7.2", "test-then-set sets nothing, and reports all that it may go on to", (
        SET,
        refused(edit(BROKEN, "error-option=continue-on-error"), EXISTS, MISSING),
        gives(ours(), E0),
    )),
    Case("6241 7.2", "stop-on-error is the default", (
        SET, refused(edit(BROKEN), EXISTS), gives(ours(), E0),
    )),
    Case("6241 7.2", "an error-option that nobody knows", (
        refused(edit(E0, "error-option=ignore"),
                Error("invalid-value", info=(("bad-element", "error-option"),))),
    )),
)  # fmt: skip

TEST_OPTIONS = (
    Case("6241 7.2", "test-only changes nothing", (
        ok(edit(E0, "test-option=test-only")), gives(ours(), ""),
    )),
    Case("6241 7.2", "test-only finds errors", (
        refused(edit(isis(circuit("e9")), "test-option=test-only"), Error("data-missing")),
        gives(ours(), ""),
    )),
    Case("6241 7.2", "set leaves it to the commit", (
        ok(edit(isis(circuit("e9")), "test-option=set")),
        refused(COMMIT, Error("data-missing", app_tag="instance-required")),
        gives(ours("running"), ""),
    )),
    Case("6241 7.2", "a test-option that nobody knows", (
        refused(edit(E0, "test-option=maybe"),
                Error("invalid-value", info=(("bad-element", "test-option"),))),
    )),
)  # fmt: skip

INVALID = (
    denied("7950 8.3.1", "an element that nobody knows",
           f'<interfaces xmlns="{IF}"><colour/></interfaces>',
           Error("unknown-element", "application", info=(("bad-element", "colour"),))),
    denied("7950 8.3.1", "a namespace that nobody knows", '<top xmlns="urn:nobody"/>',
           Error("unknown-namespace", "application", info=(
               ("bad-element", "top"), ("bad-namespace", "urn:nobody")))),
    denied("7950 8.3.1", "a key is missing", interfaces(
        "<interface><description>x</description></interface>"),
        Error("missing-element", "application", info=(("bad-element", "name"),))),
    denied("7950 8.3.1", "state is no configuration",
           interfaces(entry("e0", "<oper-status>up</oper-status>")),
           Error("unknown-element", "application")),
    denied("7950 8.3.1", "out of range",
           interfaces(interface("e0")) + isis(circuit("e0", "<metric>16777216</metric>")),
           Error("invalid-value", "application",
                 "/llmsync-isis:isis/interface[name='e0']/metric")),
    denied("7950 8.3.1", "no boolean", interfaces(entry("e0", "<enabled>maybe</enabled>")),
           Error("invalid-value", "application", PATH("e0") + "/enabled")),
    denied("7950 8.3.1", "no such identity", interfaces(
        "<interface><name>e1</name><type>nothing</type></interface>"),
        Error("invalid-value", "application", PATH("e1") + "/type")),
    denied("7950 8.3.1", "a wrong form", isis(area="<area-address>zz</area-address>"),
           Error("invalid-value", "application")),
    denied("7950 8.3.3", "a mandatory leaf is missing", interfaces(entry("e1")),
           Error("data-missing", "application")),
    denied("7950 15.5", "a reference to what is not there", isis(circuit("e9")),
           Error("data-missing", "application", app_tag="instance-required")),
    denied("7950 15.3", "too few entries", isis(area=""),
           Error("operation-failed", "application", app_tag="too-few-elements"),
           ),
    Case("7950 15.5", "what is referred to cannot go", (
        SET,
        ok(edit(isis(circuit("e0")))),
        refused(edit(interfaces(entry("e0", operation="delete"))),
                Error("data-missing", app_tag="instance-required")),
    )),
)  # fmt: skip

COPIES = (
    Case("6241 7.3", "running to the candidate", (
        SET, ok(COMMIT), ok(edit(interfaces(interface("e1")))),
        ok(copy("<running/>", "candidate")), gives(ours(), E0),
    )),
    Case("6241 7.3", "a configuration to the candidate replaces all of it", (
        SET,
        ok(edit(isis())),
        ok(copy(f"<config>{interfaces(interface('e1'))}</config>", "candidate")),
        gives(ours(), interfaces(interface("e1"))),
    )),
    Case("6241 7.3", "a configuration that is invalid", (
        SET,
        refused(copy(f"<config>{isis(circuit('e9'))}</config>", "candidate"),
                Error("data-missing")),
        gives(ours(), E0),
    )),
    Case("6241 7.3", "to itself", (
        refused(copy("<candidate/>", "candidate"), Error("invalid-value")),
    )),
    Case("6241 7.3", "to running, which commits alone write", (
        refused(copy("<candidate/>", "running"), Error("operation-not-supported", "protocol")),
    )),
    Case("6241 7.3", "no source", (
        refused("<copy-config><target><candidate/></target></copy-config>",
                Error("missing-element", "protocol", info=(("bad-element", "source"),))),
    )),
    Case("6241 7.4", "the candidate cannot be deleted", (
        refused("<delete-config><target><candidate/></target></delete-config>",
                Error("operation-not-supported", "protocol")),
    )),
    Case("6241 7.4", "running cannot be deleted", (
        refused("<delete-config><target><running/></target></delete-config>",
                Error("operation-not-supported", "protocol")),
    )),
    Case("6241 8.2", "running cannot be edited", (
        refused("<edit-config><target><running/></target><config/></edit-config>",
                Error("operation-not-supported", "protocol")),
    )),
)  # fmt: skip

STARTUP = (
    Case("6241 8.7", "running is copied to startup", (
        SET, ok(COMMIT),
        gives(ours("startup"), ""),
        ok(copy("<running/>", "startup")),
        gives(ours("startup"), E0),
    )),
    Case("6241 8.7", "the candidate is copied to startup", (
        SET, ok(copy("<candidate/>", "startup")), gives(ours("startup"), E0),
        gives(ours("running"), ""),
    )),
    Case("6241 8.7", "startup is copied to the candidate", (
        SET, ok(COMMIT), ok(copy("<running/>", "startup")),
        ok(edit(interfaces(interface("e1")))),
        ok(copy("<startup/>", "candidate")), gives(ours(), E0),
    )),
    Case("6241 8.7", "a configuration is copied to startup", (
        ok(copy(f"<config>{E0}</config>", "startup")), gives(ours("startup"), E0),
    )),
    Case("6241 8.7", "only what is valid gets into startup", (
        ok(edit(isis(circuit("e9")), "test-option=set")),
        refused(copy("<candidate/>", "startup"), Error("data-missing")),
        gives(ours("startup"), ""),
    )),
    Case("6241 8.7", "startup is deleted", (
        SET, ok(COMMIT), ok(copy("<running/>", "startup")),
        ok("<delete-config><target><startup/></target></delete-config>"),
        gives(ours("startup"), ""),
        gives(ours("running"), E0),
    )),
    Case("6241 8.7", "startup is not edited", (
        refused("<edit-config><target><startup/></target><config/></edit-config>",
                Error("operation-not-supported", "protocol")),
    )),
    Case("6241 8.7", "startup is validated", (
        SET, ok(COMMIT), ok(copy("<running/>", "startup")),
        ok("<validate><source><startup/></source></validate>"),
    )),
    Case("6241 8.7", "startup that another session holds", (
        ok("<lock><target><startup/></target></lock>"),
        refused(copy("<running/>", "startup"), Error("in-use"), session=2),
        refused("<delete-config><target><startup/></target></delete-config>", Error("in-use"),
                session=2),
        ok("<unlock><target><startup/></target></unlock>"),
        ok(copy("<running/>", "startup"), session=2),
    )),
)  # fmt: skip

VALIDATE = (
    Case("6241 8.6", "a candidate that is valid", (
        SET, ok("<validate><source><candidate/></source></validate>"), ok(COMMIT),
        gives(ours("running"), E0),
    )),
    Case("6241 8.6", "a candidate that is not", (
        ok(edit(isis(circuit("e9")), "test-option=set")),
        refused("<validate><source><candidate/></source></validate>",
                Error("data-missing", app_tag="instance-required",
                      path="/llmsync-isis:isis/interface[name='e9']/name")),
    )),
    Case("6241 8.6", "a configuration in the request", (
        ok(f"<validate><source><config>{E0}</config></source></validate>"),
        refused(f"<validate><source><config>{isis(circuit('e9'))}</config></source></validate>",
                Error("data-missing", app_tag="instance-required")),
        gives(ours(), ""),
    )),
    Case("6241 8.3.4.2", "changes are discarded", (SET, ok(DISCARD), gives(ours(), ""))),
    Case("6241 8.3.4.1", "a commit", (
        SET, ok(COMMIT), gives(ours("running"), E0), gives(ours(), E0),
    )),
    Case("6241 8.3.1", "the candidate is shared", (
        SET, gives(ours(), E0, session=2), ok(COMMIT, session=2), gives(ours("running"), E0),
    )),
    Case("6241 8.5", "rollback-on-error", (
        SET,
        refused(edit(interfaces(interface("e1"), entry("e9", operation="delete")),
                     "error-option=rollback-on-error"), MISSING),
        gives(ours(), E0),
    )),
    Case("7950 7.8.6", "unsorted and empty input", (
        ok(edit("")),
        gives(get_config("candidate", f'<isis xmlns="{ISIS}"/>'), ""),
    )),
)  # fmt: skip

CASES = (
    *OPERATIONS, *DEFAULT_OPERATION, *ERROR_OPTIONS, *TEST_OPTIONS, *INVALID, *COPIES, *STARTUP,
    *VALIDATE,
)  # fmt: skip
