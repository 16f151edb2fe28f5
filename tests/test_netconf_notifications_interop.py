"""Every event of the server against its module, by Debian's yanglint: RFC 5277, RFC 6470."""

from __future__ import annotations

import subprocess

import pytest
from test_netconf_router import interfaces

from toolkit.netconf.names import Datastore
from toolkit.netconf.notifications import notification
from toolkit.netconf.router import Device
from toolkit.netconf.tree import to_xml
from toolkit.yang.modulefile import base_folders, find_module
from toolkit.yang.runtime_yanglint import find_yanglint
from toolkit.yang.schema import reference_schema

YANGLINT = find_yanglint()
MISSING = "" if YANGLINT else "yanglint is not installed (apt-get install libyang2-tools)"
pytestmark = [pytest.mark.interop, pytest.mark.skipif(bool(MISSING), reason=MISSING)]


def every_event() -> list[str]:
    """Return the notifications of a life in which everything happens."""
    device = Device("r1", reference_schema())
    ann = device.open("ann", "192.0.2.1", 1.0)
    device.edit(ann, interfaces("e0"))
    device.commit(ann, 1.0, confirmed=True, timeout=30)
    device.commit(ann, 2.0, confirmed=True, timeout=30)
    device.expire(100.0)
    device.edit(ann, interfaces("e0", "e1"))
    device.commit(ann, 101.0, confirmed=True)
    device.commit(ann, 102.0)
    device.copy(ann, Datastore.RUNNING, Datastore.STARTUP, now=103.0)
    bob = device.open("bob", "2001:db8::1", 104.0)
    device.edit(bob, interfaces("e1", description="other"))
    device.commit(bob, 104.0, confirmed=True)
    device.kill(ann, bob, 105.0)
    device.close(ann, 106.0)
    return [to_xml([notification(e.time, e.content)]) for e in device.stream.events]


def verdict(text: str, tmp_path) -> subprocess.CompletedProcess[str]:
    file, data = tmp_path / "notification.xml", tmp_path / "data.xml"
    file.write_text(text)
    # An instance-identifier must lead somewhere: to all that was ever there.
    data.write_text(to_xml(interfaces("e0", "e1").children))
    folders = base_folders()
    names = ("ietf-netconf-notifications", "ietf-interfaces", "iana-if-type")
    modules = [str(find_module(name, folders)) for name in names]
    return subprocess.run(
        [
            str(YANGLINT), *(part for folder in folders for part in ("-p", str(folder))),
            "-t", "nc-notif", "-O", str(data), *modules, str(file),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_every_event_is_valid(tmp_path):
    found = every_event()
    kinds = {text.split("</eventTime><")[1].split(" ")[0] for text in found}
    assert kinds == {
        "netconf-session-start", "netconf-session-end", "netconf-config-change",
        "netconf-confirmed-commit",
    }  # fmt: skip
    for text in found:
        result = verdict(text, tmp_path)
        assert result.returncode == 0, text + result.stderr


def test_and_the_judge_sees_what_is_wrong(tmp_path):
    (end, *_) = [text for text in every_event() if "termination-reason" in text]
    assert verdict(end.replace("killed<", "bored<"), tmp_path).returncode != 0
    assert verdict(end.replace("username", "user"), tmp_path).returncode != 0
