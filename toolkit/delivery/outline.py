"""The objects of a session, and the order in which their parts are sent.

Pure, apart from the Source that describes them.  FDT Instance (TOI 0) and manifest (TOI 1) first,
then the files' data as the session's order says, each file's digests just ahead of its first part.
"""

from __future__ import annotations

from dataclasses import replace

from toolkit.delivery.fdt import format_fdt, object_fti, session_files
from toolkit.delivery.fec import Partition
from toolkit.delivery.manifest import FIRST_TOI, MANIFEST_TOI, FileObject, digest, seal
from toolkit.delivery.model import Session
from toolkit.delivery.ports import Source
from toolkit.delivery.safetensors import is_weights
from toolkit.delivery.sealing import TAG, BlockSeal, seal_manifest
from toolkit.delivery.stretches import sequence
from toolkit.delivery.track import Part, SendObject
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


def travelling(session: Session, source: Source) -> Source:
    """Return `source` with what is read of it as it travels: sealed, where the session says so."""
    if source.manifest.sealed != (session.seal_key is not None):
        raise ValueError(
            "a source is cut for a sealed session if and only if the session has a key"
        )
    return source if session.seal_key is None else SealedSource(session.seal_key, session, source)


class SealedSource:
    """A Source whose blocks and lists of digests are ciphertext.

    Its blocks have been compared with the manifest's digests before they are sealed: one nonce
    never meets two plaintexts.
    """

    def __init__(self, secret: bytes, session: Session, source: Source) -> None:
        self.manifest = source.manifest
        self._source = source
        self._seal = BlockSeal(secret, session.tsi, digest(self.manifest.encode()))
        self.digests = tuple(
            self._sealed_list(item, source.digests[item.file])
            for item in self.manifest.objects()
            if not item.is_data
        )

    def read_into(self, file: int, block: int, buffer: memoryview) -> None:
        plain = buffer[: len(buffer) - TAG]
        self._source.read_into(file, block, plain)
        buffer[:] = self._seal.seal(FIRST_TOI + 2 * file + 1, block, plain)

    def _sealed_list(self, item: FileObject, plain: bytes) -> bytes:
        cut = item.cut
        return b"".join(
            self._seal.seal(item.toi, sbn, plain[cut.offset(sbn) : cut.offset(sbn) + cut.size(sbn)])
            for sbn in range(cut.blocks)
        )


def session_parts(session: Session, source: Source) -> list[Part]:
    """What is sent, in its order."""
    objects = session_objects(session, source)
    boot, files = objects[:BOOT_OBJECTS], objects[BOOT_OBJECTS:]
    found = [Part(item, 0, item.partition.blocks) for item in boot]
    begun: set[int] = set()
    for file, first, count in sequence(session.order, source.manifest.blocks):
        listed, data = files[2 * file : 2 * file + 2]
        if file not in begun:
            found.append(Part(listed, 0, listed.partition.blocks))
            begun.add(file)
        found.append(Part(data, first, count))
    return found


def session_objects(session: Session, source: Source) -> list[SendObject]:
    """FDT Instance, manifest, then digests and data of every file."""
    manifest = source.manifest
    coding = manifest.coding
    fec_id = FEC_SMALL_BLOCK if coding.parity else FEC_NO_CODE
    envelope = seal(manifest, session.key, session.serial, session.order)
    if session.seal_key is not None:
        envelope = seal_manifest(session.seal_key, session.tsi, envelope)
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
        headed = item.is_data and is_weights(manifest.files[item.file].path)
        found.append(
            SendObject(item.toi, item.partition, prefix, fec_id, listed, item.file, headed)
        )
    return found
