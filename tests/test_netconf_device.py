"""The embedded routers' life: whatever their connections do, the farm ends."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import asyncssh
import pytest

from toolkit.netconf import device as module
from toolkit.netconf.device import Device, DeviceFarm
from toolkit.netconf.runtime_ncclient import Connection, Target
from toolkit.yang.schema import reference_schema


def farm_of(*names: str) -> DeviceFarm:
    return DeviceFarm([Device(name, reference_schema()) for name in names])


def connect(farm: DeviceFarm, name: str) -> Connection:
    host, port = farm.addresses[name]
    password = farm.users[module.DEFAULT_USER].password
    return Connection(
        Target(
            device=name, host=host, port=port, username=module.DEFAULT_USER, password=password,
            host_key=farm.host_keys[name],
        ),
        timeout=10.0,
    )  # fmt: skip


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that never say that they are closed."""

    async def never(_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncssh.SSHServerConnection, "wait_closed", never)
    monkeypatch.setattr(module, "_CLOSING", 0.05)


def refuses(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(address) != 0


@pytest.mark.usefixtures("stuck")
def test_a_connection_that_does_not_close_holds_neither_thread_nor_loop_nor_port() -> None:
    farm = farm_of("r1", "r2")
    with farm:
        loop, addresses = farm._loop, dict(farm.addresses)
        connections = [connect(farm, name) for name in farm.devices]
        begun = time.monotonic()
    assert time.monotonic() - begun < 2
    assert "llmsync-devices" not in {thread.name for thread in threading.enumerate()}
    assert loop is not None
    assert loop.is_closed()
    assert all(refuses(address) for address in addresses.values())
    for connection in connections:
        connection.close()


@pytest.mark.usefixtures("stuck")
def test_a_router_dies_with_a_connection_that_does_not_close_and_comes_back() -> None:
    with farm_of("r1") as farm:
        connection = connect(farm, "r1")
        farm.stop("r1")
        assert refuses(farm.addresses["r1"])
        with pytest.raises(ConnectionError, match="r1: "):
            connection.request("<get-config><source><running/></source></get-config>")
        connection.close()
        farm.start("r1")
        connect(farm, "r1").close()


def test_an_error_in_one_router_leaves_nothing_of_the_others_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    farm = farm_of("r1", "r2", "r3")
    stop = DeviceFarm._stop

    async def fail(self: DeviceFarm, name: str) -> None:
        await stop(self, name)
        if name == "r1":
            raise RuntimeError("unforeseen")

    monkeypatch.setattr(DeviceFarm, "_stop", fail)
    farm.__enter__()
    with pytest.raises(RuntimeError, match="unforeseen"):
        farm.close()
    assert all(refuses(address) for address in farm.addresses.values())
    assert "llmsync-devices" not in {thread.name for thread in threading.enumerate()}
