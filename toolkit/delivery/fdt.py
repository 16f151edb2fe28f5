"""The FDT Instance: the list of a session's objects, TOI 0.  RFC 6726 section 3.4.2.

For other FLUTE receivers: ours take everything from the signed manifest, whose packets carry
EXT_FTI, so that nothing waits for the FDT.  Pure.  `parse_fdt` raises WireError.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from base64 import b64decode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from toolkit.delivery.manifest import MANIFEST_TOI, Manifest
from toolkit.delivery.model import Coding
from toolkit.delivery.wire import FEC_NO_CODE, FEC_SMALL_BLOCK, Fti
from toolkit.errors import WireError

NAMESPACE = "urn:IETF:metadata:2005:FLUTE:FDT"
MANIFEST_LOCATION = "urn:llmsync:manifest"
MAX_ELEMENTS = 1 << 18
"""Nobody signs an FDT Instance: what is made of it in memory is bounded."""
NEVER = 0xFFFFFFFF
"""Expires, as an NTP time in seconds: an instance holds for as long as its session lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FdtFile:
    """One File element."""

    location: str
    """Content-Location, a URI."""
    toi: int
    fti: Fti | None
    """None: its packets say it themselves (EXT_FTI).  Never None in what we write."""
    media: str = "application/octet-stream"
    encoding: str = ""
    """Content-Encoding: what was done to the file before it was cut, "" for nothing."""
    md5: bytes = b""
    """Content-MD5, empty when there is none: of the object as it travels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An FDT Instance as it came."""

    files: tuple[FdtFile, ...]
    expires: int
    """NTP time in seconds; not to be used afterwards (RFC 6726 section 3.3)."""


def object_fti(coding: Coding, length: int) -> Fti:
    """FEC OTI of an object of `length` bytes."""
    if coding.parity == 0:
        return Fti(
            fec_id=FEC_NO_CODE, transfer_length=length, symbol=coding.symbol, block=coding.block
        )
    return Fti(
        fec_id=FEC_SMALL_BLOCK, transfer_length=length, symbol=coding.symbol,
        block=coding.block, max_n=coding.block + coding.parity,
    )  # fmt: skip


def session_files(manifest: Manifest, envelope: Fti) -> list[FdtFile]:
    """The File elements of a session: the manifest's envelope, then all its objects."""
    coding = manifest.coding
    files = [
        FdtFile(
            location=MANIFEST_LOCATION, toi=MANIFEST_TOI, fti=envelope, media="application/json"
        )
    ]
    for item in manifest.objects():
        path = quote(manifest.files[item.file].path)
        location = f"file:///{path}" if item.is_data else f"urn:llmsync:digests:{path}"
        files.append(
            FdtFile(
                # The FDT is in the clear: file names of a sealed session are not in it.
                location=f"urn:llmsync:object:{item.toi}" if manifest.sealed else location,
                toi=item.toi,
                fti=object_fti(coding, item.partition.length),
            )
        )
    return files


def format_fdt(files: Sequence[FdtFile], expires: int = NEVER) -> bytes:
    """Return the FDT Instance.  What all files share is said once, at its root."""
    ET.register_namespace("", NAMESPACE)
    shared = _shared(files[-1].fti) if files and files[-1].fti else {}
    root = ET.Element(f"{{{NAMESPACE}}}FDT-Instance", {"Expires": str(expires), **shared})
    for file in files:
        if file.fti is None:
            raise ValueError(f"TOI {file.toi}: we always write the FEC OTI")
        own = _shared(file.fti)
        length = str(file.fti.transfer_length)
        attributes = {
            "TOI": str(file.toi),
            "Content-Location": file.location,
            "Content-Length": length,
            "Transfer-Length": length,
            "Content-Type": file.media,
            **{key: value for key, value in own.items() if shared.get(key) != value},
        }
        ET.SubElement(root, f"{{{NAMESPACE}}}File", attributes)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _shared(fti: Fti) -> dict[str, str]:
    found = {
        "FEC-OTI-FEC-Encoding-ID": str(fti.fec_id),
        "FEC-OTI-Maximum-Source-Block-Length": str(fti.block),
        "FEC-OTI-Encoding-Symbol-Length": str(fti.symbol),
    }
    if fti.fec_id == FEC_SMALL_BLOCK:
        found["FEC-OTI-FEC-Instance-ID"] = str(fti.instance)
        found["FEC-OTI-Max-Number-of-Encoding-Symbols"] = str(fti.max_n)
    return found


def parse_fdt(data: bytes) -> Instance:
    """Return the FDT Instance that `data` is."""
    if b"\0" in data:
        raise WireError("FDT: it is not in UTF-8")  # In UTF-16 what follows would be overlooked.
    if data.count(b"<") > MAX_ELEMENTS:
        raise WireError(f"FDT: it has more than {MAX_ELEMENTS} elements")
    if b"<!" in data.replace(b"<!--", b""):
        raise WireError("FDT: it has a document type or entity declaration")
    try:
        root = ET.fromstring(data)
        if root.tag.rpartition("}")[2] != "FDT-Instance":
            raise ValueError(f"root element is {root.tag}")
        return Instance(files=tuple(_files(root)), expires=int(root.get("Expires", NEVER)))
    except (ET.ParseError, ValueError, LookupError) as error:  # An unknown encoding is a lookup.
        raise WireError(f"FDT: not well formed: {error}") from None


def _files(root: ET.Element) -> Iterator[FdtFile]:
    for element in root:
        if element.tag.rpartition("}")[2] != "File":
            continue
        found = {**root.attrib, **element.attrib}
        yield FdtFile(
            location=found["Content-Location"],
            toi=int(found["TOI"]),
            media=found.get("Content-Type", ""),
            encoding=found.get("Content-Encoding", ""),
            md5=b64decode(found.get("Content-MD5", ""), validate=True),
            fti=_fti(found),
        )


def _fti(found: dict[str, str]) -> Fti | None:
    if "FEC-OTI-FEC-Encoding-ID" not in found:
        return None
    return Fti(
        fec_id=int(found["FEC-OTI-FEC-Encoding-ID"]),
        transfer_length=int(found.get("Transfer-Length", found.get("Content-Length", ""))),
        symbol=int(found["FEC-OTI-Encoding-Symbol-Length"]),
        block=int(found["FEC-OTI-Maximum-Source-Block-Length"]),
        max_n=int(found.get("FEC-OTI-Max-Number-of-Encoding-Symbols", "0")),
        instance=int(found.get("FEC-OTI-FEC-Instance-ID", "0")),
    )
