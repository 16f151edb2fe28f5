"""Names that RFC 5277, 6241, 6243, 6022, 6470, 7950 and 8526 fix: namespaces, capabilities,
datastores."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Final

BASE_NS: Final = "urn:ietf:params:xml:ns:netconf:base:1.0"
YANG_NS: Final = "urn:ietf:params:xml:ns:yang:1"
"""Attributes `insert`, `key` and `value` (RFC 7950 section 7.8.6)."""
MONITORING_NS: Final = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
YANG_LIBRARY_NS: Final = "urn:ietf:params:xml:ns:yang:ietf-yang-library"
DATASTORES_NS: Final = "urn:ietf:params:xml:ns:yang:ietf-datastores"
NMDA_NS: Final = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
WITH_DEFAULTS_NS: Final = "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults"
"""The parameter `with-defaults` (RFC 6243)."""
DEFAULT_NS: Final = "urn:ietf:params:xml:ns:netconf:default:1.0"
"""The attribute `default` of report-all-tagged (RFC 6243 section 6)."""
NOTIFICATION_NS: Final = "urn:ietf:params:xml:ns:netconf:notification:1.0"
"""create-subscription and <notification> (RFC 5277)."""
STREAMS_NS: Final = "urn:ietf:params:xml:ns:netmod:notification"
"""The list of streams, replayComplete and notificationComplete (RFC 5277 section 3)."""
EVENTS_NS: Final = "urn:ietf:params:xml:ns:yang:ietf-netconf-notifications"
"""The server's own events (RFC 6470)."""
ACM: Final = "ietf-netconf-acm"

BASE_1_0: Final = "urn:ietf:params:netconf:base:1.0"
BASE_1_1: Final = "urn:ietf:params:netconf:base:1.1"
CANDIDATE: Final = "urn:ietf:params:netconf:capability:candidate:1.0"
CONFIRMED_COMMIT: Final = "urn:ietf:params:netconf:capability:confirmed-commit:1.1"
CONFIRMED_COMMIT_1_0: Final = "urn:ietf:params:netconf:capability:confirmed-commit:1.0"
"""Without persist and cancel-commit (RFC 4741 section 8.4)."""
WRITABLE_RUNNING: Final = "urn:ietf:params:netconf:capability:writable-running:1.0"
ROLLBACK_ON_ERROR: Final = "urn:ietf:params:netconf:capability:rollback-on-error:1.0"
STARTUP: Final = "urn:ietf:params:netconf:capability:startup:1.0"
XPATH: Final = "urn:ietf:params:netconf:capability:xpath:1.0"
NOTIFICATION: Final = "urn:ietf:params:netconf:capability:notification:1.0"
INTERLEAVE: Final = "urn:ietf:params:netconf:capability:interleave:1.0"
WITH_DEFAULTS: Final = (
    "urn:ietf:params:netconf:capability:with-defaults:1.0"
    "?basic-mode=explicit&also-supported=report-all,report-all-tagged,trim"
)
VALIDATE: Final = "urn:ietf:params:netconf:capability:validate:1.1"
VALIDATE_1_0: Final = "urn:ietf:params:netconf:capability:validate:1.0"
YANG_LIBRARY: Final = "urn:ietf:params:netconf:capability:yang-library:1.1"


class Datastore(StrEnum):
    """Configuration datastores of the embedded router (RFC 6241 section 5.1)."""

    RUNNING = "running"
    CANDIDATE = "candidate"
    STARTUP = "startup"
    """Only with the capability :startup (section 8.7)."""


class Operation(StrEnum):
    """Values of the `operation` attribute and of default-operation (RFC 6241 section 7.2)."""

    MERGE = "merge"
    REPLACE = "replace"
    CREATE = "create"
    DELETE = "delete"
    REMOVE = "remove"
    NONE = "none"
    """Only as default-operation."""


class ErrorOption(StrEnum):
    """What an edit does after an error (RFC 6241 section 7.2)."""

    STOP = "stop-on-error"
    CONTINUE = "continue-on-error"
    ROLLBACK = "rollback-on-error"


class TestOption(StrEnum):
    """When an edit is validated (RFC 6241 section 8.6.4.1)."""

    __test__ = False  # not a test class, whatever its name begins with

    TEST_THEN_SET = "test-then-set"
    SET = "set"
    TEST_ONLY = "test-only"


def validates(capabilities: Collection[str]) -> bool:
    """Does a server that offers these check a configuration before it runs (section 8.6)?"""
    return VALIDATE in capabilities or VALIDATE_1_0 in capabilities
