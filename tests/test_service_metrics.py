"""/metrics is what Prometheus reads: the text format 0.0.4, parsed here by its own grammar."""

from __future__ import annotations

import re
from collections import Counter

from service_site import PEOPLE, Api, badge, joined, make_running, serving, wait_until

from toolkit.delivery.control import Join, Message
from toolkit.service.metrics import Family
from toolkit.service.server import Settings

SAMPLE = re.compile(
    r'([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)'
)
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"')
UNESCAPED = {r"\\": "\\", r"\"": '"', r"\n": "\n"}

Key = tuple[str, tuple[tuple[str, str], ...]]


def parse(text: str) -> tuple[dict[str, str], dict[Key, float]]:
    """Return the types and the samples; asserts the format's rules."""
    assert text.endswith("\n")
    types: dict[str, str] = {}
    samples: dict[Key, float] = {}
    helped: set[str] = set()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ")[2]
            assert name not in helped
            helped.add(name)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name in helped
            assert kind in ("counter", "gauge")
            assert (kind == "counter") is name.endswith("_total")
            types[name] = kind
        else:
            matched = SAMPLE.fullmatch(line)
            assert matched, line
            assert list(types)[-1] == matched[1], "samples follow their TYPE"
            labels = tuple(
                (k, re.sub(r'\\[\\"n]', lambda m: UNESCAPED[m[0]], v))
                for k, v in LABEL.findall(matched[2] or "")
            )
            key = matched[1], labels
            assert key not in samples
            samples[key] = float(matched[3])
    return types, samples


def test_the_metrics_of_a_session() -> None:
    people = badge(**PEOPLE)
    running = make_running(name='m"o\\d\nel', regions={"fra": "eu"})
    settings = Settings(host="127.0.0.1", port=0, tokens=people.tokens)
    with serving(running, settings=settings) as service:
        api = Api(service, people.secret)
        joined(running, "fra")
        api("GET", f"{running.path}/files/config.json", "fra")
        api("GET", "/v1/sessions", token="wrong")
        answer = api("GET", "/metrics", "eye")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    _, samples = parse(answer.body.decode())
    session = (("session", running.id), ("delivery", 'm"o\\d\nel'))
    fra = (*session, ("receiver", "fra"), ("region", "eu"))
    assert samples["llmsync_session_size_bytes", session] == running.source.manifest.size
    assert samples["llmsync_receiver_https_bytes_total", fra] == 2
    assert samples["llmsync_receiver_feedback_total", fra] == 0
    assert samples["llmsync_receiver_state", (*fra, ("state", "joined"))] == 1
    assert samples["llmsync_receiver_state", (*fra, ("state", "absent"))] == 0
    assert samples["llmsync_service_refused_total", (("reason", "token"),)] == 1
    assert any(name == "llmsync_info" for name, _ in samples)


def test_control_messages_that_are_refused_are_counted_by_reason_whichever_way_they_come() -> None:
    refused = Counter({"quota": 3, "stranger": 1})  # As the door of a runtime counts them.
    running = make_running(refused=refused)
    with serving(running) as service:
        api = Api(service, {})
        joined(running, "fra")
        old = Message(tsi=0x5E55, incarnation=1, name="fra", body=Join())
        assert running.hosted.feed("fra", old.encode())
        wait_until(lambda: "other-session" in refused)
        wait_until(lambda: "other-session" in running.hosted.snapshot.refused)
        _, samples = parse(api("GET", "/metrics").body.decode())
    session = (("session", running.id), ("delivery", "model"))
    found = {k[1][-1][1]: n for k, n in samples.items() if k[0] == "llmsync_refused_total"}
    assert found == {"quota": 3, "stranger": 1, "other-session": 1}
    assert samples["llmsync_refused_total", (*session, ("reason", "quota"))] == 3


def test_numbers_and_escapes() -> None:
    family = Family("x", "gauge", "a\\b\nc", [({}, 1.0), ({"l": 'q"\\\n'}, 0.25), ({}, 1e18)])
    assert family.text().splitlines() == [
        r"# HELP x a\\b\nc", "# TYPE x gauge", "x 1", 'x{l="q\\"\\\\\\n"} 0.25',
        "x 1000000000000000000",
    ]  # fmt: skip
