"""Where Debian's netconfd (yuma123 2.13) answers otherwise, case by case, each as it was seen.

A case that is named here is not run against it; every other one is, and must be answered alike.
docs/reference/netconf.md has the same list.
"""

from __future__ import annotations

from netconf_cases.case import Case
from netconf_cases.table import CASES

UNKNOWN = "answers unknown-element"
NO_FILTER = "get-data takes no notice of its filters"
NO_EDIT_DATA = "edit-data fails: it does not find the configuration in the request"
ONE = "reports the first error alone, whatever the error-option, and sets nothing"
MANDATORY = "answers data-missing for a parameter that is missing"

DIFFERENT: dict[str, str] = {
    "6241 7: an operation that nobody knows": UNKNOWN,
    "6241 7.1: a parameter that is missing": MANDATORY,
    "6241 8.9.1: prefixes are those of the request": "goes by the modules' own prefixes",
    "6241 8.9.1: an expression without a node-set": "answers with empty data",
    "6241 8.9.1: an expression that is none": "answers bad-attribute",
    "6241 8.9.1: a prefix that is not declared": "answers bad-attribute",
    "6243 4.5.1: copy-config with report-all": "copy-config takes no notice of with-defaults",
    "6243 4.5.2: a tagged default is unset": "keeps the value as set",
    "6022 3.1: a module that is not there": "answers operation-failed",
    "8526 3.1.1: a datastore by identity": NO_FILTER,
    "8526 3.1.1: an XPath filter": NO_FILTER,
    "8526 3.1.1: max-depth counts from what is selected": NO_FILTER,
    "8526 3.1.1: configuration or state alone": NO_FILTER,
    "8526 3.1.1: a datastore that is not there": "answers with data",
    "8526 3.1.1: no datastore": MANDATORY,
    "8526 3.1.1: origins are not offered": "offers them",
    "8526 3.1.1: with-defaults of operational is not offered": "accepts the parameter",
    "8342 5.1.4: intended is what runs": NO_FILTER,
    "8526 3.1.2: edit-data": NO_EDIT_DATA,
    "8526 3.1.2: edit-data is all or nothing": NO_EDIT_DATA,
    "8526 3.1.2: a datastore that cannot be written": NO_EDIT_DATA,
    "8526 3.2.1: a lock by identity": "answers with an internal error",
    "6241 7.2: default-operation none of what does not exist": "creates it",
    "6241 7.2: default-operation replace": "removes nothing outside the containers of the edit",
    "6241 7.2: error-option continue-on-error with test-option set": ONE,
    "6241 7.2: error-option rollback-on-error with test-option set": ONE,
    "6241 7.2: test-then-set sets nothing, and reports all that it may go on to": ONE,
    "6241 7.2: test-only finds errors": "test-only does not look at references",
    "7950 8.3.1: state is no configuration": "answers access-denied",
    "6241 7.3: a configuration that is invalid": "the candidate takes it",
    "6241 7.3: to itself": "answers operation-not-supported",
    "6241 7.3: no source": MANDATORY,
    "6241 7.4: the candidate cannot be deleted": UNKNOWN,
    "6241 7.4: running cannot be deleted": UNKNOWN,
    "6241 8.2: running cannot be edited": "answers operation-failed",
    "6241 8.7: only what is valid gets into startup": "startup takes what is invalid",
    "6241 8.7: startup is not edited": UNKNOWN,
    "6241 8.6: a candidate that is valid": "validate makes the next commit do nothing",
    "6241 7.5: a candidate with changes": "answers resource-denied",
    "6241 7.5: a datastore that is not there": UNKNOWN,
    "6241 7.6: unlock of another session's lock": "answers in-use; section 7.6 names no tag",
    "6241 8.4.5.1: persist-id when nothing is pending": "answers operation-failed",
    "6241 7.5: running cannot be locked while a commit is pending": "answers in-use",
    "6241 7.9: no session": MANDATORY,
    "5277 2.1.1: a stream that is not there": "answers operation-failed",
}
"""Case -> what netconfd does."""

APPLICABLE: tuple[Case, ...] = tuple(case for case in CASES if case.id not in DIFFERENT)
