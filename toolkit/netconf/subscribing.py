"""<create-subscription>.  RFC 5277 section 2.1.1.  Pure."""

from __future__ import annotations

from toolkit.netconf.call import Call
from toolkit.netconf.notifications import STREAM, Subscription, unix_time
from toolkit.netconf.reading import event_filter
from toolkit.netconf.rpcerror import refused
from toolkit.netconf.tree import Node


def create_subscription(call: Call) -> tuple[Node, ...]:
    stream = call.text("stream")
    if stream not in (None, STREAM):
        raise refused("invalid-value", f"there is no stream {stream!r}", bad_element="stream")
    device = call.device
    now = device.epoch + call.now
    start, stop = _time(call, "startTime"), _time(call, "stopTime")
    if start is not None and start > now:
        raise refused("bad-element", "startTime is not in the past", bad_element="startTime")
    if stop is not None and start is None:
        raise refused("missing-element", "stopTime needs startTime", bad_element="startTime")
    if start is not None and stop is not None and stop <= start:
        raise refused("bad-element", "stopTime is not after startTime", bad_element="stopTime")
    if call.session in device.stream.subscriptions:
        raise refused("in-use", "this session has a subscription already")
    accepts = event_filter(call.body.child("filter"))
    device.stream.subscribe(call.session, Subscription(accepts, start=start, stop=stop), now)
    return ()


def _time(call: Call, local: str) -> float | None:
    text = call.text(local)
    if text is None:
        return None
    try:
        return unix_time(text)
    except ValueError:
        raise refused(
            "invalid-value", f"{local} {text!r} is no date and time", bad_element=local
        ) from None
