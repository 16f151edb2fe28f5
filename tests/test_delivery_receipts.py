"""Receipts: their shape is the YANG module's, and what was changed is noticed."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from net import KEY, TRUSTED, MemorySource

from toolkit.delivery.dsse import open_envelope, seal_envelope
from toolkit.delivery.manifest import digest, seal
from toolkit.delivery.model import Coding, Counters, Receipt, ReceiverResult, Standing
from toolkit.delivery.receipts import (
    PAYLOAD_TYPE,
    Own,
    Told,
    open_receipt,
    own_receipt,
    receipt_document,
    receiver_receipt,
    sign_receipt,
)
from toolkit.errors import WireError
from toolkit.report.junit_receipts import junit_receipts

SOURCE = MemorySource({"a": b"x" * 5000}, Coding(symbol=64, block=8, parity=8))
MANIFEST = SOURCE.manifest
RECEIPT = Receipt(
    receiver="fra", manifest=digest(MANIFEST.encode()), files=1, bytes=5000, repaired=3,
    duplicates=2, polluted=1, first_byte=0.25, last_byte=1.5, verified=1.75,
)  # fmt: skip
COMPLETE = ReceiverResult(
    receiver="fra", standing=Standing.COMPLETE, receipt=RECEIPT, joined=0.125, completed=2.0,
    packets=90, repairs=4, lost=5,
)  # fmt: skip
LOST = ReceiverResult(receiver="lon", standing=Standing.LOST, reason="it was silent\x1b for 30 s")
YANG = Path(__file__).parent.parent / "yang" / "llmsync-delivery.yang"


def document() -> bytes:
    told = Told(
        role="sender", version="1", tsi=7, manifest=MANIFEST, signing_key=TRUSTED, began="b",
        ended="e", counters={"packets": 90},
    )  # fmt: skip
    return receipt_document(told, [receiver_receipt(COMPLETE), receiver_receipt(LOST)])


def test_every_leaf_of_the_yang_receipt_is_in_ours_under_its_name() -> None:
    block = YANG.read_text().split("list receipt {")[1]
    leaves = [line.split()[1] for line in block.splitlines() if line.strip().startswith("leaf ")]
    assert "manifest-digest" in leaves
    assert set(leaves) <= set(receiver_receipt(COMPLETE))


def test_times_are_microseconds_and_what_is_not_known_is_not_told() -> None:
    told = receiver_receipt(COMPLETE)
    assert (told["joined"], told["first-byte"], told["last-byte"]) == (125_000, 250_000, 1_500_000)
    assert (told["verified"], told["completed"]) == (1_750_000, 2_000_000)
    silent = receiver_receipt(LOST)
    assert silent["complete"] is False
    assert silent["first-byte"] is silent["manifest-digest"] is None
    own = own_receipt(
        RECEIPT, Counters(packets=77),
        Own(completed=1.8, joined=0.2, first_tensor=0.5, device="cpu", device_bytes=5000),
    )  # fmt: skip
    assert own["packets"] == 77
    assert "packets-lost" not in own
    assert (own["joined"], own["first-tensor"], own["last-tensor"]) == (200_000, 500_000, None)
    assert (own["device"], own["device-bytes"], own["device-checked"]) == ("cpu", 5000, 0)


def test_a_signed_receipt_is_believed_and_nothing_else() -> None:
    payload = document()
    envelope = sign_receipt(payload, KEY)
    opened = open_receipt(envelope, TRUSTED)
    assert (opened.payload, opened.key) == (payload, TRUSTED)
    assert opened.document["manifest"]["digest"] == RECEIPT.manifest.hex()
    other = Ed25519PrivateKey.generate()
    with pytest.raises(WireError, match="not signed by the trusted key"):
        open_receipt(sign_receipt(payload, other), TRUSTED)
    outer = json.loads(envelope)
    outer["payload"] = json.loads(sign_receipt(payload.replace(b"5000", b"5001"), other))["payload"]
    with pytest.raises(WireError, match="signature is wrong"):
        open_receipt(json.dumps(outer).encode(), TRUSTED)
    with pytest.raises(WireError, match="payload type"):
        open_receipt(seal(MANIFEST, KEY), TRUSTED)
    for text in (b"[]", b'{"format": "x", "version": 1}', b"\xff"):
        with pytest.raises(WireError, match=r"receipt: its"):
            open_receipt(seal_envelope(text, PAYLOAD_TYPE, KEY), TRUSTED)


@given(st.binary(max_size=200) | st.text(max_size=80).map(lambda t: t.encode()))
def test_no_bytes_raise_anything_but_wire_error(data: bytes) -> None:
    with pytest.raises(WireError):
        open_receipt(data, TRUSTED)
    with pytest.raises(WireError):
        open_envelope(data, PAYLOAD_TYPE, None)


def test_junit_fails_whoever_does_not_hold_everything() -> None:
    short = {**receiver_receipt(COMPLETE), "receiver": "ams", "bytes": 4999}
    text = junit_receipts("m", [receiver_receipt(COMPLETE), receiver_receipt(LOST), short], 5000)
    suite = ElementTree.fromstring(text).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")
    failed = {c.get("name"): c.find("failure") for c in suite.iter("testcase")}
    assert failed["fra"] is None
    assert failed["lon"] is not None
    assert failed["ams"] is not None
    assert failed["ams"].get("message") == "it proved 4999 of 5000 bytes"
    assert "\x1b" not in text
