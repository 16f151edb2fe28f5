"""The live page in a real browser, beside real deliveries on loopback."""

from __future__ import annotations

import asyncio
import random
import re
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from chromium import PROGRAM, Tab, tab
from net import TRUSTED, MemorySink
from service_site import Running, badge, joined, make_running, serving

from toolkit.delivery.model import Coding
from toolkit.delivery.receiver import Receiver
from toolkit.service.hosted import Abort
from toolkit.service.page import live_page
from toolkit.service.server import Settings
from toolkit.service.tokens import Role
from toolkit.transport import loss, udp
from toolkit.transport.address import Address

browser = pytest.mark.skipif(PROGRAM is None, reason="needs Debian's chromium")
ROWS = "[...document.getElementById('rows').rows]"
CODING = Coding(symbol=1400 // 8 * 8, block=64, parity=64)


def test_the_page_needs_nothing_else() -> None:
    page = live_page()
    assert not re.search(r"""\b(src|href)=["']?(?!["']?data:)""", page.html), "another resource"
    assert "http://" not in page.html
    assert "https://" not in page.html
    assert "@import" not in page.html
    assert "url(" not in page.html
    assert "innerHTML" not in page.script, "names are text, whatever is in them"
    assert 'lang="en"' in page.html


def browse(work: Callable[[Tab], Awaitable[None]]) -> None:
    async def run() -> None:
        async with tab() as page:
            await work(page)
            assert page.problems == []
            outside = [u for u in page.requests if "://127.0.0.1:" not in u and u[:5] != "data:"]
            assert outside == []

    asyncio.run(asyncio.wait_for(run(), 100))


@contextmanager
def delivering(running: Running, *, lost: dict[str, float]) -> Iterator[Address]:
    """Run a sender and its receivers over UDP on loopback; `lost`: receiver -> share lost."""
    with ExitStack() as stack:
        control = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        control.bind(("127.0.0.1", 0))
        place = Address(socket.AF_INET, *control.getsockname())

        def watch(outputs: list[object]) -> None:
            running.hosted.turn(outputs, time.monotonic())  # type: ignore[arg-type]

        def send() -> None:
            udp.run_sender(
                running.sender, running.names, udp.SocketWire(control), running.addresses, None,
                watch, (running.hosted.fileno(),),
            )  # fmt: skip
            running.hosted.close(time.monotonic())

        def receive(name: str, share: float, sock: socket.socket) -> None:
            receiver = Receiver(
                name, MemorySink(running.source.files), trusted=TRUSTED, incarnation=1,
                chance=random.Random(name).random, timeout=20.0,
            )  # fmt: skip
            wire = loss.LossyWire(udp.SocketWire(sock), share, 1)
            udp.run_receiver(receiver, [wire], place, lambda _: None)

        threads = [threading.Thread(target=send)]
        for name, share in lost.items():
            sock = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            sock.bind(("127.0.0.1", 0))
            threads.append(threading.Thread(target=receive, args=(name, share, sock)))
        for thread in threads:
            thread.start()
        try:
            yield place
        except BaseException:
            running.hosted.ask(Abort(by="test", reason="the test has failed"))
            raise
        finally:
            for thread in threads:
                thread.join(60)
                assert not thread.is_alive()


@browser
@pytest.mark.interop
def test_a_delivery_is_watched_from_the_first_byte_to_the_last(tmp_path: Path) -> None:
    files = {f"{i}.bin": random.Random(i).randbytes(500_000) for i in range(12)}
    regions = {"fra": "eu", "lon": "eu", "nyc": "us", "ams": "eu"}
    lost = {"fra": 0.0, "lon": 0.03, "nyc": 0.0}
    running = make_running(
        (*lost, "ams"), regions=regions, files=files, coding=CODING, timeout=8.0, name="llama"
    )

    async def work(page: Tab) -> None:
        await page.open(service.url + "/")
        await page.wait("document.getElementById('link').textContent === 'live'")
        await page.wait("document.getElementById('rows').rows.length === 4")
        # Half way: some per cent are held, and it says so in words and in the heat map.
        await page.wait("parseFloat(document.querySelector('#tiles dd').textContent) > 5")
        half = await page.value("document.body.innerText")
        assert "of 10.0 Mb/s" in half
        assert "1 absent" in half
        await page.picture(tmp_path / "half.png")
        await page.wait("document.querySelectorAll('.cell[data-state=complete]').length === 3")
        cells = await page.value(
            "[...document.querySelectorAll('.cell')].map(c => [c.dataset.name, c.textContent])"
        )
        assert dict(cells) == {"fra": "✓", "lon": "✓", "nyc": "✓", "ams": "–"}
        label = await page.value("document.getElementById('heat').getAttribute('aria-label')")
        assert label == "eu: 2 of 3 complete; us: 1 of 1 complete"
        rows = {r[0]: r for r in await page.value(f"{ROWS}.map(r => r.innerText.split('\\t'))")}
        assert rows["fra"][2] == "complete"
        assert int(rows["lon"][7].replace(",", "")) > 0, "what lon lost"
        log = await page.value("document.getElementById('log').innerText")
        assert re.search(r"lon\s+complete", log)
        await page.wait("document.getElementById('tiles').innerText.includes('finished')")
        # What is typed narrows the table.
        await page.value("document.getElementById('find').value = 'us'")
        await page.value("document.getElementById('find').dispatchEvent(new Event('input'))")
        await page.wait("document.getElementById('rows').rows.length === 1")
        await page.picture(tmp_path / "end.png", dark=True)

    with serving(running, engines=False) as service, delivering(running, lost=lost):
        browse(work)
    assert (tmp_path / "half.png").stat().st_size > 20_000


@browser
@pytest.mark.interop
def test_names_are_text_and_a_token_is_asked_for() -> None:
    people = badge(eye=Role.READER)
    evil = "<img src=x onerror=alert(1)>"
    running = make_running(("fra",), name=evil, regions={"fra": "<b>eu</b>"})
    settings = Settings(host="127.0.0.1", port=0, tokens=people.tokens)

    async def work(page: Tab) -> None:
        await page.open(service.url + "/")
        await page.wait("!document.getElementById('ask').hidden")
        page.problems.clear()  # The browser itself complains of the 401.
        await page.value(f"document.getElementById('token').value = '{people.secret['eye']}'")
        await page.value("document.getElementById('ask').requestSubmit()")
        await page.wait("document.getElementById('link').textContent === 'live'")
        await page.wait("document.getElementById('rows').rows.length === 1")
        assert await page.value("document.getElementById('name').textContent") == evil
        assert await page.value("document.querySelectorAll('main img, main b b').length") == 0
        assert "<b>eu</b>" in await page.value("document.getElementById('regions').innerText")
        assert people.secret["eye"] not in await page.value("document.documentElement.outerHTML")

    with serving(running, settings=settings) as service:
        browse(work)


@browser
@pytest.mark.interop
def test_a_thousand_receivers_are_still_a_page(tmp_path: Path) -> None:
    names = tuple(f"cloud{i:04}" for i in range(1000))
    regions = {name: ("eu", "us", "ap", "sa")[i % 4] for i, name in enumerate(names)}
    running = make_running(names, regions=regions)

    async def work(page: Tab) -> None:
        await page.open(service.url + "/")
        await page.wait("document.querySelectorAll('.cell').length === 1000")
        assert await page.value("document.getElementById('rows').rows.length") == 50
        assert "50 of 1000" in await page.value("document.getElementById('shown').innerText")
        await asyncio.to_thread(joined, running, *names[:400])
        await page.wait("document.querySelectorAll('.cell[data-state=joined]').length === 400")
        await page.value("document.getElementById('more').click()")
        await page.wait("document.getElementById('rows').rows.length === 1000")
        await page.value("document.getElementById('more').click()")
        overflow = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert await page.value(overflow) is False
        await page.picture(tmp_path / "thousand.png")

    with serving(running) as service:
        browse(work)
