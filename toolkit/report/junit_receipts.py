"""Receipts as JUnit XML: one test case for each receiver, which fails unless it holds everything.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from toolkit.report.junit import clean


def junit_receipts(delivery: str, receipts: Sequence[dict[str, Any]], size: int) -> str:
    """Return the receipts of a delivery of `size` bytes (`delivery.receipts`) as a document."""
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(root, "testsuite", name=clean(f"llmsync delivery {delivery}"))
    failures = 0
    for receipt in receipts:
        seconds = (receipt["completed"] or 0) / 1e6
        case = ElementTree.SubElement(
            suite, "testcase", classname=clean(f"llmsync.delivery.{delivery}"),
            name=clean(receipt["receiver"]), time=f"{seconds:.6f}",
        )  # fmt: skip
        if not receipt["complete"] or receipt["bytes"] != size:
            failures += 1
            why = receipt["reason"] or f"it proved {receipt['bytes']} of {size} bytes"
            ElementTree.SubElement(
                case, "failure", message=clean(why), type=clean(receipt["standing"])
            )
        lines = [f"{name}: {value}" for name, value in receipt.items() if value is not None]
        ElementTree.SubElement(case, "system-out").text = clean("\n".join(lines))
    suite.set("tests", str(len(receipts)))
    suite.set("failures", str(failures))
    suite.set("errors", "0")
    suite.set("skipped", "0")
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
