"""Who is at the other end, and what is said when nobody proper is: host keys, users, timeouts."""

from __future__ import annotations

import base64
import socket

import asyncssh
import ncclient.transport.session
import pytest

from toolkit.errors import DeviceError, UnreachableError
from toolkit.netconf import hostkey
from toolkit.netconf.device import Device, DeviceFarm, User
from toolkit.netconf.runtime_ncclient import Connection, Target
from toolkit.yang.schema import reference_schema

KEYS = {kind: asyncssh.generate_private_key(kind) for kind in ("ssh-ed25519", "ssh-rsa")}
LOCAL = asyncssh.generate_private_key("ssh-ed25519")
GET = "<get-config><source><running/></source></get-config>"


def pem(key):
    return key.export_private_key().decode()


def public(key):
    return key.export_public_key().decode()


@pytest.fixture
def farm(request):
    """A router with the host key of the kind that `both_keys` names."""
    user = User(password="secret", authorized_keys=public(LOCAL))
    with DeviceFarm(
        [Device("r1", reference_schema())],
        users={"op": user},
        host_keys={"r1": pem(KEYS[getattr(request, "param", "ssh-ed25519")])},
    ) as running:
        yield running


both_keys = pytest.mark.parametrize("farm", KEYS, indirect=True)


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path


def target(farm, **other):
    host, port = farm.addresses["r1"]
    values = {
        "device": "r1", "host": host, "port": port, "username": "op", "password": "secret",
        "host_key": farm.host_keys["r1"],
    }  # fmt: skip
    return Target(**{**values, **other})


def works(target):
    connection = Connection(target, timeout=10.0)
    try:
        return connection.request(GET).errors == ()
    finally:
        connection.leave()


def refused(target, timeout=10.0):
    with pytest.raises(UnreachableError) as caught:
        Connection(target, timeout=timeout)
    assert str(caught.value).startswith("r1: ")
    return str(caught.value)


@both_keys
def test_a_pinned_key_is_accepted(farm):
    assert works(target(farm))


@both_keys
def test_another_key_than_the_pinned_one_is_refused_before_a_password_is_sent(farm):
    other = public(asyncssh.generate_private_key("ssh-ed25519"))
    message = refused(target(farm, host_key=other))
    assert shown(farm) in message
    assert "not SHA256:" in message
    assert "somebody may be in between" in message


def shown(farm):
    return hostkey.fingerprint(base64.b64decode(farm.host_keys["r1"].split()[1]))


@both_keys
def test_without_a_pinned_key_known_hosts_decides(farm, home):
    message = refused(target(farm, host_key=""))
    assert shown(farm) in message
    assert "known_hosts" in message
    host, port = farm.addresses["r1"]
    (home / ".ssh").mkdir()
    known = home / ".ssh" / "known_hosts"
    known.write_text(f"[{host}]:{port} {farm.host_keys['r1']}\n")
    assert works(target(farm, host_key=""))
    known.write_text(f"[{host}]:{port} {public(LOCAL)}")
    assert "somebody may be in between" in refused(target(farm, host_key=""))


def test_a_pinned_key_counts_more_than_known_hosts(farm, home):
    host, port = farm.addresses["r1"]
    (home / ".ssh").mkdir()
    (home / ".ssh" / "known_hosts").write_text(f"[{host}]:{port} {farm.host_keys['r1']}\n")
    other = public(asyncssh.generate_private_key("ssh-ed25519"))
    assert "not SHA256:" in refused(target(farm, host_key=other))


@pytest.mark.parametrize("text", ["nonsense", "ssh-ed25519 AAAA", "ssh-ed25519 ....", "AAAAB3Nz"])
def test_a_pinned_key_that_is_none_is_said_so(text):
    with pytest.raises(UnreachableError, match="no OpenSSH public key"):
        hostkey.trusting_client("r1", "h", 830, text)


def test_a_private_key_opens_the_door_from_a_file_or_from_memory(farm, tmp_path):
    file = tmp_path / "key"
    file.write_text(pem(LOCAL))
    assert works(target(farm, password=None, key_file=file))
    assert works(target(farm, password=None, private_key=pem(LOCAL)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": "guess"},
        {"password": ""},
        {"username": "nobody"},
        {"password": None, "private_key": pem(KEYS["ssh-rsa"])},
        {"password": None},
    ],
)
def test_who_cannot_prove_who_they_are_stays_outside(farm, wrong):
    message = refused(target(farm, **wrong))
    assert "check management.username, password and key" in message
    assert "secret" not in message


def test_keys_that_cannot_be_read_are_named(farm, tmp_path):
    assert "no key file" in refused(target(farm, password=None, key_file=tmp_path / "none"))
    broken = refused(target(farm, password=None, private_key="nonsense"))
    assert "private key cannot be read" in broken


def test_secrets_are_not_shown(farm):
    shown = repr(target(farm, private_key="PRIVATE")) + repr(farm.users)
    assert "secret" not in shown
    assert "PRIVATE" not in shown


# ----- nobody there


def local(port, timeout=0.2):
    return refused(Target(device="r1", host="127.0.0.1", port=port), timeout)


def test_a_closed_port_is_said_at_once():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert f"127.0.0.1 port {port}: Connection refused" in local(port)


def test_a_port_that_says_nothing_is_given_up_in_time():
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert "says nothing within 0.2 s" in local(server.getsockname()[1])


def test_a_port_that_hangs_up_is_said_so():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        import threading

        def answer():
            server.accept()[0].close()

        thread = threading.Thread(target=answer)
        thread.start()
        message = local(server.getsockname()[1], 5.0)
        thread.join()
    assert "closes the connection" in message or "reset" in message


def test_a_host_without_an_address_is_said_so():
    message = refused(Target(device="r1", host="no.such.host.invalid"))
    assert "check management.host" in message


def test_an_ssh_server_without_netconf_is_said_so():
    with DeviceFarm([Device("r1", reference_schema())], users={"op": User(password="x")}) as farm:
        from toolkit.netconf import device as module

        original = module._Wire.subsystem_requested
        module._Wire.subsystem_requested = lambda self, subsystem: False
        try:
            message = refused(target(farm, password="x"))
        finally:
            module._Wire.subsystem_requested = original
    assert "no NETCONF session" in message


# ----- the session


def test_every_error_of_a_reply_is_in_the_message(farm):
    connection = Connection(target(farm), timeout=10.0)
    config = "<isis xmlns='urn:llmsync:isis'><a/><b/></isis>"
    with pytest.raises(DeviceError) as caught:
        connection.request(
            "<edit-config><target><candidate/></target>"
            f"<error-option>rollback-on-error</error-option><config>{config}</config></edit-config>"
        )
    connection.leave()
    assert caught.value.tag == "unknown-element"
    assert caught.value.path == "/llmsync-isis:isis"
    assert "a is not known in isis" in str(caught.value)
    assert "b is not known in isis" in str(caught.value)


def test_a_session_that_breaks_is_a_connection_error(farm):
    connection = Connection(target(farm), timeout=10.0)
    farm.stop("r1")
    with pytest.raises(ConnectionError, match="r1: "):
        connection.request(GET)
    connection.close()


def test_requests_do_not_wait_for_ncclients_loop_to_look(farm, monkeypatch):
    monkeypatch.setattr(ncclient.transport.session, "TICK", 3600.0)
    works(target(farm))
