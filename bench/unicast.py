"""Receivers behind one shared uplink: N downloads from nginx at once, and one multicast of ours.

The uplink is the sender's interface, shaped to 1 Gb/s (tc tbf).  Observers and clock are those of
every other delivery.
"""

from __future__ import annotations

from collections.abc import Callable

from arena import SENDER, run
from contest import Commands, Outcome, Place, Ring
from peers_multicast import ours

RECEIVERS = 6
RATE = "1gbit"
OURS = {1500: "965M", 9000: "990M"}
"""UDP payload of 1,472 (8,972) octets is 1,514 (9,014) to tbf: 1 Gb/s carries 972 (995) Mb/s."""


def nginx(place: Place) -> Commands:
    """nginx in the foreground with a configuration of its own, and curl at every receiver."""
    home = place.scratch / "nginx"
    home.mkdir()
    temporary = "".join(
        f"{kind}_temp_path {home}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (home / "nginx.conf").write_text(
        f"user root; worker_processes 1; daemon off; pid {home}/pid; error_log stderr;"
        "events { worker_connections 64; }"
        f"http {{ access_log off; sendfile on; tcp_nopush on; {temporary}"
        f"server {{ listen {SENDER}:8080; root {place.source.parent}; }} }}"
    )
    url = f"http://{SENDER}:8080/{place.source.name}"
    return Commands(
        receivers=[
            ["curl", "--silent", "--show-error", "--fail", "-o", str(f / place.source.name), url]
            for f in place.folders
        ],
        sender=["nginx", "-p", str(home), "-c", str(home / "nginx.conf")],
        serves=True,
        gro=True,
    )  # fmt: skip


def measure(ring: Ring, told: Callable[[Outcome], Outcome]) -> dict[str, object]:
    """Return the times of both, and how many times as long unicast takes."""
    place, size = ring.arena, ring.source.stat().st_size
    rate = OURS[place.mtu]
    print(f"{RECEIVERS} receivers behind an uplink of 1 Gb/s, MTU {place.mtu}, {size} bytes")
    shaped = ["rate", RATE, "burst", "128kb", "latency", "50ms"]
    run("tc", "-n", place.space("s"), "qdisc", "add", "dev", "eth", "root", "tbf", *shaped)
    theirs = told(ring.deliver("nginx", f"{RECEIVERS} downloads", nginx, 0.0))
    mine = told(ring.deliver("llmsync", f"--rate {rate}", ours(rate), 0.0))
    found: dict[str, object] = {
        "mtu": place.mtu,
        "unicast_s": theirs.seconds and round(theirs.seconds, 3),
        "ours_s": mine.seconds and round(mine.seconds, 3),
        "time_unicast_over_ours": None,
    }
    if theirs.seconds and mine.seconds:
        found["time_unicast_over_ours"] = round(theirs.seconds / mine.seconds, 2)
    for outcome in (theirs, mine):
        if outcome.reason:
            found[f"{outcome.tool}_reason"] = outcome.reason
    return found
