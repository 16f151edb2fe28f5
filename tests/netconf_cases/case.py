"""What a case is: requests on sessions, and what each must be answered with."""

from __future__ import annotations

from dataclasses import dataclass, field

BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
IF = "urn:ietf:params:xml:ns:yang:ietf-interfaces"
ISIS = "urn:llmsync:isis"


@dataclass(frozen=True)
class Error:
    """One rpc-error; empty fields are not looked at."""

    tag: str
    type: str = ""
    path: str = ""
    """Data path with module names, as in `/ietf-interfaces:interfaces/interface[name='e0']`."""
    app_tag: str = ""
    info: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Step:
    """One request, and its answer: errors, data, or <ok/>."""

    request: str
    errors: tuple[Error, ...] = ()
    data: str | None = None
    """What <data> must hold, compared by meaning; None: <ok/> is expected."""
    session: int = 1
    """Sessions are opened when they are first used."""
    held: tuple[str, ...] = ()
    """Texts that the reply must hold, where `data` would say too much."""
    ends: tuple[int, ...] = ()
    """Sessions that this step ends."""


@dataclass(frozen=True)
class Case:
    section: str
    """`6241 7.2`: RFC and section."""
    name: str
    steps: tuple[Step, ...] = field(repr=False)

    @property
    def id(self) -> str:
        return f"{self.section}: {self.name}"


# ----- steps


def ok(request: str, session: int = 1, **more: object) -> Step:
    return Step(request, session=session, **more)


def refused(request: str, *errors: Error, session: int = 1) -> Step:
    return Step(request, errors=errors, session=session)


def gives(request: str, data: str, session: int = 1) -> Step:
    return Step(request, data=data, session=session)


def holds(request: str, *texts: str, session: int = 1) -> Step:
    return Step(request, held=texts, session=session)


# ----- requests


def edit(config: str, *options: str) -> str:
    """Return <edit-config>; an option is `error-option=stop-on-error`."""
    given = "".join("<{0}>{1}</{0}>".format(*option.split("=")) for option in options)
    return (
        f"<edit-config><target><candidate/></target>{given}"
        f'<config xmlns:nc="{BASE}">{config}</config></edit-config>'
    )


def get_config(store: str = "candidate", criteria: str | None = None, more: str = "") -> str:
    chosen = f'<filter type="subtree">{criteria}</filter>' if criteria is not None else ""
    return f"<get-config><source><{store}/></source>{chosen}{more}</get-config>"


def ours(store: str = "candidate") -> str:
    """Return a request for the containers that the cases are about, and nothing else."""
    return get_config(store, f'<interfaces xmlns="{IF}"/><isis xmlns="{ISIS}"/>')


def lock(store: str) -> str:
    return f"<lock><target><{store}/></target></lock>"


def unlock(store: str) -> str:
    return f"<unlock><target><{store}/></target></unlock>"


def copy(source: str, target: str, more: str = "") -> str:
    return f"<copy-config><target><{target}/></target><source>{source}</source>{more}</copy-config>"


# ----- data


def interface(name: str, *leaves: str, operation: str = "") -> str:
    attribute = f' nc:operation="{operation}"' if operation else ""
    return (
        f"<interface{attribute}><name>{name}</name>{''.join(leaves)}"
        '<type xmlns:t="urn:ietf:params:xml:ns:yang:iana-if-type">t:ethernetCsmacd</type>'
        "</interface>"
    )


def entry(name: str, *leaves: str, operation: str = "") -> str:
    """Return an interface without its type."""
    attribute = f' nc:operation="{operation}"' if operation else ""
    return f"<interface{attribute}><name>{name}</name>{''.join(leaves)}</interface>"


def interfaces(*entries: str, operation: str = "") -> str:
    attribute = f' nc:operation="{operation}"' if operation else ""
    return f'<interfaces xmlns="{IF}"{attribute}>{"".join(entries)}</interfaces>'


def described(text: str) -> str:
    return f"<description>{text}</description>"


def isis(*parts: str, area: str = "<area-address>49.0001</area-address>") -> str:
    return (
        f'<isis xmlns="{ISIS}"><system-id>0000.0000.0001</system-id>{area}{"".join(parts)}</isis>'
    )


def circuit(name: str, *leaves: str) -> str:
    return f"<interface><name>{name}</name>{''.join(leaves)}</interface>"


COMMIT = "<commit/>"
DISCARD = "<discard-changes/>"
E0 = interfaces(interface("e0"))
E0_E1 = interfaces(interface("e0"), interface("e1"))
PATH = "/ietf-interfaces:interfaces/interface[name='{}']".format
