"""Cases about sessions: locks, confirmed commits, ends, subscriptions.

RFC 6241 sections 7.5 to 7.9 and 8.4, RFC 5277.  Nothing here waits for time to pass.
"""

from __future__ import annotations

from netconf_cases.case import (
    COMMIT,
    DISCARD,
    E0,
    E0_E1,
    Case,
    Error,
    edit,
    gives,
    interface,
    interfaces,
    lock,
    ok,
    ours,
    refused,
    unlock,
)

SET = ok(edit(E0))
CONFIRMED = "<commit><confirmed/><confirm-timeout>300</confirm-timeout></commit>"
PERSIST = "<commit><confirmed/><confirm-timeout>300</confirm-timeout><persist>p</persist></commit>"
CONFIRM = "<commit><persist-id>p</persist-id></commit>"
CANCEL = "<cancel-commit><persist-id>p</persist-id></cancel-commit>"
NOTIFICATION = "urn:ietf:params:xml:ns:netconf:notification:1.0"


def held_by(session: int) -> Error:
    return Error("lock-denied", "protocol", info=(("session-id", str(session)),))


def subscribe(*parts: str) -> str:
    return f'<create-subscription xmlns="{NOTIFICATION}">{"".join(parts)}</create-subscription>'


LOCKS = (
    Case("6241 7.5", "a lock and its end", (
        ok(lock("running")), ok(lock("candidate")), ok(unlock("candidate")), ok(unlock("running")),
    )),
    Case("6241 7.5", "a lock that another session holds", (
        ok(lock("candidate")), refused(lock("candidate"), held_by(1), session=2),
    )),
    Case("6241 7.5", "a lock that the session holds already", (
        ok(lock("running")), refused(lock("running"), held_by(1)),
    )),
    Case("6241 7.5", "a candidate with changes", (
        SET, refused(lock("candidate"), Error("lock-denied", "protocol"), session=2),
        ok(DISCARD), ok(lock("candidate"), session=2),
    )),
    Case("6241 7.5", "a datastore that is not there", (
        refused(lock("nothing"), Error("operation-not-supported", "protocol")),
    )),
    Case("6241 7.6", "unlock without a lock", (
        refused(unlock("running"), Error("operation-failed", "protocol")),
    )),
    Case("6241 7.6", "unlock of another session's lock", (
        ok(lock("running")),
        refused(unlock("running"), Error("operation-failed", "protocol"), session=2),
    )),
    Case("6241 8.3.5.2", "an unlocked candidate forgets its changes", (
        ok(lock("candidate")), SET, ok(unlock("candidate")), gives(ours(), ""),
    )),
    Case("6241 7.5", "a candidate that another session holds", (
        ok(lock("candidate")),
        refused(edit(E0), Error("in-use"), session=2),
        refused(DISCARD, Error("in-use"), session=2),
        refused(COMMIT, Error("in-use"), session=2),
    )),
    Case("6241 7.5", "running that another session holds", (
        ok(lock("running")),
        ok(edit(E0), session=2),
        refused(COMMIT, Error("in-use"), session=2),
        gives(ours("running"), ""),
    )),
    Case("6241 7.5", "a lock goes with its session", (
        ok(lock("candidate")), SET, ok("<close-session/>", ends=(1,)),
        ok(lock("candidate"), session=2), gives(ours(), "", session=2),
    )),
)  # fmt: skip

COMMITS = (
    Case("6241 8.4", "confirmed", (
        SET, ok(CONFIRMED), gives(ours("running"), E0), ok(COMMIT),
        ok("<close-session/>", ends=(1,)), gives(ours("running"), E0, session=2),
    )),
    Case("6241 8.4", "the session ends before it confirms", (
        SET, ok(CONFIRMED), gives(ours("running"), E0, session=2),
        ok("<close-session/>", ends=(1,)), gives(ours("running"), "", session=2),
    )),
    Case("6241 8.4.4.1", "cancelled", (
        SET, ok(CONFIRMED), ok("<cancel-commit/>"), gives(ours("running"), ""),
    )),
    Case("6241 8.4.4.1", "cancelled without a commit", (
        refused("<cancel-commit/>", Error("operation-failed", "protocol")),
    )),
    Case("6241 8.4.5.1", "persist: confirmed from another session", (
        SET, ok(PERSIST), ok("<close-session/>", ends=(1,)),
        gives(ours("running"), E0, session=2),
        ok(CONFIRM, session=2), gives(ours("running"), E0, session=2),
    )),
    Case("6241 8.4.5.1", "persist: cancelled from another session", (
        SET, ok(PERSIST), ok(CANCEL, session=2), gives(ours("running"), "", session=2),
    )),
    Case("6241 8.4.5.1", "persist: a wrong persist-id", (
        SET, ok(PERSIST),
        refused(CONFIRM.replace(">p<", ">q<"), Error("invalid-value", "protocol"), session=2),
        refused(CANCEL.replace(">p<", ">q<"), Error("invalid-value", "protocol"), session=2),
        gives(ours("running"), E0),
        ok(CANCEL),
    )),
    Case("6241 8.4.5.1", "persist-id when nothing is pending", (
        refused(CONFIRM, Error("invalid-value", "protocol")),
    )),
    Case("6241 8.4.5.1", "a commit of another session while one is pending", (
        SET, ok(CONFIRMED), refused(COMMIT, Error("in-use"), session=2), ok(COMMIT),
    )),
    Case("6241 8.4.1", "the second commit keeps the first backup", (
        SET, ok(CONFIRMED), ok(edit(interfaces(interface("e1")))), ok(CONFIRMED),
        gives(ours("running"), E0_E1), ok("<cancel-commit/>"), gives(ours("running"), ""),
    )),
    Case("6241 8.4.5.1", "a time that is none", (
        refused("<commit><confirmed/><confirm-timeout>0</confirm-timeout></commit>",
                Error("invalid-value", info=(("bad-element", "confirm-timeout"),))),
    )),
    Case("6241 7.5", "running cannot be locked while a commit is pending", (
        SET, ok(PERSIST), refused(lock("running"), Error("lock-denied"), session=2), ok(CANCEL),
    )),
)  # fmt: skip

ENDS = (
    Case("6241 7.9", "a session is killed", (
        ok(lock("running")), ok("<kill-session><session-id>{1}</session-id></kill-session>",
                                session=2, ends=(1,)),
        ok(lock("running"), session=2),
    )),
    Case("6241 7.9", "with it goes its confirmed commit", (
        SET, ok(CONFIRMED), gives(ours("running"), E0, session=2),
        ok("<kill-session><session-id>{1}</session-id></kill-session>", session=2, ends=(1,)),
        gives(ours("running"), "", session=2),
    )),
    Case("6241 7.9", "but not one that persists", (
        SET, ok(PERSIST),
        ok("<kill-session><session-id>{1}</session-id></kill-session>", session=2, ends=(1,)),
        gives(ours("running"), E0, session=2), ok(CANCEL, session=2),
    )),
    Case("6241 7.9", "a session cannot kill itself", (
        refused("<kill-session><session-id>{1}</session-id></kill-session>",
                Error("invalid-value", "protocol")),
    )),
    Case("6241 7.9", "a session that is not there", (
        refused("<kill-session><session-id>4000000</session-id></kill-session>",
                Error("invalid-value", "protocol")),
    )),
    Case("6241 7.9", "no session", (
        refused("<kill-session/>",
                Error("missing-element", "protocol", info=(("bad-element", "session-id"),))),
    )),
)  # fmt: skip

SUBSCRIPTIONS = (
    Case("5277 2.1.1", "a subscription; others requests go on", (
        ok(subscribe()), SET, gives(ours(), E0),
    )),
    Case("5277 2.1.1", "a stream that is not there", (
        refused(subscribe("<stream>weather</stream>"), Error("invalid-value", "protocol")),
    )),
    Case("5277 2.1.1", "one subscription a session", (
        ok(subscribe()), refused(subscribe(), Error("in-use", "protocol")), ok(subscribe(),
                                                                              session=2),
    )),
    Case("5277 2.1.1", "a stop without a start", (
        refused(subscribe("<stopTime>2037-01-01T00:00:00Z</stopTime>"),
                Error("missing-element", "protocol", info=(("bad-element", "startTime"),))),
    )),
    Case("5277 2.1.1", "a start in the future", (
        refused(subscribe("<startTime>2137-01-01T00:00:00Z</startTime>"),
                Error("bad-element", "protocol", info=(("bad-element", "startTime"),))),
    )),
    Case("5277 2.1.1", "a stop before the start", (
        refused(subscribe("<startTime>1970-01-01T00:00:00Z</startTime>",
                          "<stopTime>1969-01-01T00:00:00Z</stopTime>"),
                Error("bad-element", "protocol", info=(("bad-element", "stopTime"),))),
    )),
    Case("5277 2.1.1", "a time that is none", (
        refused(subscribe("<startTime>yesterday</startTime>"),
                Error("invalid-value", "protocol", info=(("bad-element", "startTime"),))),
    )),
)  # fmt: skip

CASES = (*LOCKS, *COMMITS, *ENDS, *SUBSCRIPTIONS)
