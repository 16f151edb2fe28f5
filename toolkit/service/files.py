"""Files of a session over HTTPS, by ranges: for those that multicast does not reach.

X: part of the HTTP server.  Whole blocks are read and compared with the digests of the scan, as the
sender does, before a byte of them leaves.  A path is looked up in the manifest and nowhere else.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

from aiohttp import web

from toolkit.delivery.model import FileEntry
from toolkit.delivery.ports import Source
from toolkit.delivery.sealing import Cut
from toolkit.errors import DeliveryError
from toolkit.service.access import Refusal
from toolkit.service.hosted import HostedSession
from toolkit.service.ranges import Span, UnsatisfiableError, parse_range, tags

MAX_DOWNLOADS = 16
"""Files that are fetched at the same time; more are told to come again."""
STALL = 60.0
"""Seconds in which a client must take a block."""


class Downloads:
    """Sends files, few at a time."""

    def __init__(self, refused: Counter[str]) -> None:
        """`refused`: where clients that did not read are counted."""
        self._refused = refused
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="llmsync-https")
        self._running = 0

    def close(self) -> None:
        self._readers.shutdown(wait=False, cancel_futures=True)

    async def send(
        self, request: web.Request, hosted: HostedSession, path: str, receiver: str
    ) -> web.StreamResponse:
        """Answer a GET or HEAD for a file."""
        number, entry = find(hosted, path)
        tag = f'"{entry.root.hex()}"'
        headers = {
            "ETag": tag, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream",
            "Content-Disposition": "attachment",
        }  # fmt: skip
        if _lacks_match(request, tag):
            raise Refusal(
                HTTPStatus.PRECONDITION_FAILED, "the file is another one now", {"ETag": tag}
            )
        if _has_match(request, tag):
            return web.Response(status=304, headers={"ETag": tag})
        span = _span(request, entry, tag)
        whole = Span(0, entry.size - 1)
        wanted = span or whole
        headers["Content-Length"] = str(wanted.length)
        if span is not None:
            headers["Content-Range"] = f"bytes {span.first}-{span.last}/{entry.size}"
        status = HTTPStatus.OK if span is None else HTTPStatus.PARTIAL_CONTENT
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = wanted.length
        if request.method == "HEAD" or wanted.length == 0:
            await response.prepare(request)
            await response.write_eof()
            return response
        if self._running >= MAX_DOWNLOADS:
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE, "too many files are fetched now (try again)",
                {"Retry-After": "2"},
            )  # fmt: skip
        self._running += 1
        try:
            return await self._stream(request, response, hosted, number, wanted, receiver)
        finally:
            self._running -= 1

    async def _stream(
        self, request: web.Request, response: web.StreamResponse, hosted: HostedSession,
        number: int, span: Span, receiver: str,
    ) -> web.StreamResponse:  # fmt: skip
        manifest = hosted.offer.manifest
        part = manifest.cut(manifest.files[number].size)
        loop = asyncio.get_running_loop()
        at = span.first
        block = _block_of(part, at)
        while at <= span.last:
            try:
                data = await loop.run_in_executor(
                    self._readers, _read, hosted.source, number, block, part.size(block)
                )
            except DeliveryError as error:
                if not response.prepared:
                    raise Refusal(HTTPStatus.CONFLICT, str(error)) from None
                raise _cut(request) from None
            if not response.prepared:
                await response.prepare(request)
            start = at - part.offset(block)
            piece = memoryview(data)[start : span.last + 1 - part.offset(block)]
            try:
                async with asyncio.timeout(STALL):
                    await response.write(piece)
            except TimeoutError:
                self._refused["stalled"] += 1
                raise _cut(request) from None
            hosted.https_bytes[receiver] += len(piece)
            at += len(piece)
            block += 1
        await response.write_eof()
        return response


def _read(source: Source, file: int, block: int, size: int) -> bytearray:
    buffer = bytearray(size)
    source.read_into(file, block, memoryview(buffer))
    return buffer


def _cut(request: web.Request) -> ConnectionError:
    """End a response in its middle: the client sees that the length was not reached."""
    if request.transport is not None:
        request.transport.abort()
    return ConnectionResetError("ended before its length")


def find(hosted: HostedSession, path: str) -> tuple[int, FileEntry]:
    """Return the file of the manifest whose path is exactly `path`."""
    for number, entry in enumerate(hosted.offer.manifest.files):
        if entry.path == path:
            return number, entry
    raise Refusal(HTTPStatus.NOT_FOUND, "the session has no such file (see its manifest)")


def _block_of(part: Cut, offset: int) -> int:
    low, high = 0, part.blocks - 1
    while low < high:
        middle = (low + high + 1) // 2
        if part.offset(middle) <= offset:
            low = middle
        else:
            high = middle - 1
    return low


def _span(request: web.Request, entry: FileEntry, tag: str) -> Span | None:
    condition = request.headers.get("If-Range")
    if condition is not None and condition != tag:
        return None
    try:
        return parse_range(request.headers.get("Range"), entry.size)
    except UnsatisfiableError:
        raise Refusal(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, f"the file has {entry.size} bytes",
            {"Content-Range": f"bytes */{entry.size}", "ETag": tag},
        ) from None  # fmt: skip


def _lacks_match(request: web.Request, tag: str) -> bool:
    header = request.headers.get("If-Match")
    return header is not None and not {"*", tag} & set(tags(header))


def _has_match(request: web.Request, tag: str) -> bool:
    header = request.headers.get("If-None-Match")
    found = {t.removeprefix("W/") for t in tags(header)} if header is not None else set()
    return bool({"*", tag} & found)
