"""The objects of a session in the order in which they are sent.

Pure, apart from the Source that describes them.  FDT Instance (TOI 0) and manifest (TOI 1) first,
then for every file the digests of its blocks and its data.
"""

from __future__ import annotations

from dataclasses import replace

from toolkit.delivery.fdt import format_fdt, object_fti, session_files
from toolkit.delivery.fec import Partition
from toolkit.delivery.ledger import SendObject
from toolkit.delivery.manifest import MANIFEST_TOI, digest, seal
from toolkit.delivery.model import Session
from toolkit.delivery.ports import Source
from toolkit.delivery.wire import (
    FEC_NO_CODE,
    FEC_SMALL_BLOCK,
    Header,
    data_prefix,
    fdt_extension,
)

BOOT_OBJECTS = 2
"""FDT Instance and manifest: what a receiver gets before it can say what it holds."""
BOOT_OVERHEAD = 20
"""Bytes of EXT_FTI and EXT_FDT, in the packets of FDT Instance and manifest."""


def session_objects(session: Session, source: Source) -> list[SendObject]:
    """FDT Instance, manifest, then digests and data of every file."""
    manifest = source.manifest
    coding = manifest.coding
    fec_id = FEC_SMALL_BLOCK if coding.parity else FEC_NO_CODE
    envelope = seal(manifest, session.key)
    # Their packets carry EXT_FTI, that of TOI 0 EXT_FDT too: their symbols are that much shorter.
    boot = replace(coding, symbol=coding.symbol - BOOT_OVERHEAD)
    fdt = format_fdt(session_files(manifest, object_fti(boot, len(envelope))))
    # RFC 6726 counts instances from 0; a sender that is started again does not know how far it
    # had counted, so the number is taken from what the instance describes.
    instance = fdt_extension(int.from_bytes(digest(envelope)[:3]) & 0xFFFFF)
    found = []
    for toi, content, first in ((0, fdt, (instance,)), (MANIFEST_TOI, envelope, ())):
        fti = object_fti(boot, len(content))
        header = Header(
            tsi=session.tsi, toi=toi, codepoint=fec_id, extensions=(*first, fti.extension())
        )
        part = Partition(len(content), boot.symbol, boot.block)
        found.append(SendObject(toi, part, header.encode(), fec_id, content))
    for item in manifest.objects():
        prefix = data_prefix(session.tsi, item.toi, fec_id)
        listed = None if item.is_data else source.digests[item.file]
        found.append(SendObject(item.toi, item.partition, prefix, fec_id, listed, item.file))
    return found
