"""What each route of the table answers.

X: part of the HTTP server.  Reads published values; whatever changes a session is a command for the
engine's thread, whose answer is waited for.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from toolkit import __version__
from toolkit.delivery.admission import Admission, AuditRecord, Quota
from toolkit.delivery.authentic import key_of
from toolkit.delivery.doorkeeper import MAX_NOTED, NOTE_EVERY
from toolkit.delivery.model import Standing
from toolkit.delivery.receipts import receiver_receipt
from toolkit.service import model, streams
from toolkit.service.access import SUBPROTOCOL, Access, Refusal, page_policy
from toolkit.service.files import Downloads, find
from toolkit.service.hosted import Abort, Admit, Command, Evict, HostedSession
from toolkit.service.metrics import CONTENT_TYPE, exposition
from toolkit.service.page import Page
from toolkit.service.routes import Route
from toolkit.service.tokens import Principal, Role
from toolkit.service.views import event_view, receiver_view, receiver_views, session_view

ANSWER: float = 5.0
"""Seconds in which the engine must have taken a command."""
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(slots=True, eq=False)
class Handlers:
    """One method for every name in `routes.ROUTES`."""

    access: Access
    hosted: Callable[[], dict[str, HostedSession]]
    """The sessions of now, by id."""
    page_: Page
    document: bytes
    """OpenAPI."""
    newsroom: streams.Newsroom
    admission: Admission = field(default_factory=lambda: Admission(Quota()))
    downloads: Downloads = field(init=False)
    _noted: dict[str, float] = field(default_factory=dict)
    """Address -> when it was noted last that it was not let in."""

    def __post_init__(self) -> None:
        self.downloads = Downloads(self.access.refused)

    def of(self, route: Route) -> Callable[[web.Request], Any]:
        """Return the handler of `route`, which lets in those who may."""
        answer = getattr(self, route.name)

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                who = self.access.require(request, route.roles) if route.roles else None
            except Refusal as refusal:
                self._turned_away(request, route.name, refusal)
                raise
            found: web.StreamResponse = await answer(request, who)
            return found

        return handle

    # ----- the service

    async def page(self, _request: web.Request, _who: Principal | None) -> web.Response:
        headers = {"Content-Security-Policy": page_policy(self.page_.script, self.page_.style)}
        return web.Response(text=self.page_.html, content_type="text/html", headers=headers)

    async def health(self, _request: web.Request, _who: Principal | None) -> web.Response:
        return _json(model.Health(version=__version__, sessions=len(self.hosted())))

    async def openapi(self, _request: web.Request, _who: Principal | None) -> web.Response:
        return web.Response(body=self.document, content_type="application/json")

    async def metrics(self, _request: web.Request, _who: Principal | None) -> web.Response:
        text = exposition(
            self.hosted().values(), self.access.refused, self.newsroom.watchers, __version__
        )
        return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})

    # ----- sessions

    async def list_sessions(self, _request: web.Request, _who: Principal | None) -> web.Response:
        views = [session_view(h, h.snapshot) for h in self.hosted().values()]
        return _json(model.SessionList(sessions=views))

    async def show_session(self, request: web.Request, _who: Principal | None) -> web.Response:
        hosted = self._session(request)
        return _json(session_view(hosted, hosted.snapshot))

    async def abort_session(self, request: web.Request, who: Principal) -> web.Response:
        hosted = self._session(request)
        asked = await _body(request, model.AbortRequest)
        with _audited(hosted, "abort", "", request, by=who.name):
            await self._obeyed(hosted, Abort(by=who.name, reason=asked.reason))
        return _json(model.Done(session=hosted.offer.session_id))

    async def list_events(self, request: web.Request, _who: Principal | None) -> web.Response:
        hosted = self._session(request)
        text = request.query.get("after", "0")
        if not text.isdecimal() or len(text) > 15:
            raise Refusal(HTTPStatus.BAD_REQUEST, "after: not a whole number")
        found = hosted.events(int(text))
        last = found[-1].number if found else int(text)
        return _json(model.EventList(events=[event_view(e) for e in found], last=last))

    async def list_receipts(self, request: web.Request, _who: Principal | None) -> web.Response:
        hosted = self._session(request)
        told = [model.ReceiptView(**receiver_receipt(r)) for r in hosted.snapshot.results]
        return _json(model.ReceiptList(session=hosted.offer.session_id, receipts=told))

    # ----- receivers

    async def list_receivers(self, request: web.Request, _who: Principal | None) -> web.Response:
        hosted = self._session(request)
        return _json(model.ReceiverList(receivers=receiver_views(hosted, hosted.snapshot)))

    async def show_receiver(self, request: web.Request, who: Principal | None) -> web.Response:
        hosted, name = self._session(request), request.match_info["receiver"]
        if who is not None and not who.may({Role.READER, Role.OPERATOR}):
            self._only_itself(who, name)
        for row in hosted.snapshot.progress.receivers:
            if row.receiver == name:
                return _json(receiver_view(hosted, row))
        raise Refusal(HTTPStatus.NOT_FOUND, "the session has no such receiver")

    async def join(self, request: web.Request, who: Principal) -> web.Response:
        hosted = self._session(request)
        asked = await _body(request, model.JoinRequest)
        with _audited(hosted, "join", asked.receiver, request):
            return await self._join(request, who, hosted, asked)

    async def _join(
        self, request: web.Request, who: Principal, hosted: HostedSession, asked: model.JoinRequest
    ) -> web.Response:
        self._only_itself(who, asked.receiver)
        if not hosted.listed(asked.receiver) and not hosted.offer.admits:
            raise Refusal(
                HTTPStatus.CONFLICT, f"{asked.receiver} is not a receiver of this session "
                "(the sender lists it with --to, or lets others in with --admit)",
            )  # fmt: skip
        _secrets_in_private(request, hosted)
        active = sum(
            row.standing in (Standing.JOINED, Standing.READY) and row.receiver != asked.receiver
            for row in hosted.snapshot.progress.receivers
        )
        now = asyncio.get_running_loop().time()
        over = self.admission.join(asked.receiver, request.remote or "", now, active=active)
        if over:
            self.access.refused["quota"] += 1
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, over, {"Retry-After": "60"})
        address = None
        if asked.port is not None and request.remote:
            # Its own address and no other: nobody can have a stream sent to somebody else.
            address = request.remote, asked.port
        await self._obeyed(hosted, Admit(receiver=asked.receiver, by=who.name, address=address))
        return _json(_join_answer(hosted, asked.receiver, _our_address(request)), status=201)

    async def leave(self, request: web.Request, who: Principal) -> web.Response:
        hosted, name = self._session(request), request.match_info["receiver"]
        if not who.may({Role.OPERATOR}):
            self._only_itself(who, name)
        if not hosted.listed(name):
            raise Refusal(HTTPStatus.NOT_FOUND, "the session has no such receiver")
        verb = "evicted" if who.may({Role.OPERATOR}) else "left"
        said = "".join(c for c in request.query.get("reason", "") if c.isprintable())[:200]
        reason = f"{verb}: {said}" if said else verb
        with _audited(hosted, "evict", name, request, by=who.name):
            await self._obeyed(hosted, Evict(receiver=name, by=who.name, reason=reason))
        return _json(model.Done(session=hosted.offer.session_id))

    # ----- content

    async def manifest(self, request: web.Request, _who: Principal | None) -> web.Response:
        hosted = self._session(request)
        _secrets_in_private(request, hosted)
        return web.Response(body=hosted.offer.envelope, content_type="application/json")

    async def digests(self, request: web.Request, who: Principal) -> web.Response:
        hosted = self._content(request, who)
        number, entry = find(hosted, request.match_info["path"])
        return web.Response(
            body=hosted.source.digests[number], content_type="application/octet-stream",
            headers={"ETag": f'"{entry.root.hex()}"'},
        )  # fmt: skip

    async def file(self, request: web.Request, who: Principal) -> web.StreamResponse:
        hosted = self._content(request, who)
        return await self.downloads.send(request, hosted, request.match_info["path"], who.name)

    file_head = file

    # ----- streams

    async def feedback(self, request: web.Request, who: Principal) -> web.StreamResponse:
        return await streams.feedback(_upgrade(request), self._session(request), who)

    async def events(self, request: web.Request, _who: Principal | None) -> web.StreamResponse:
        if self.newsroom.watchers["now"] >= streams.MAX_WATCHERS:
            self.newsroom.watchers["full"] += 1
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE, "too many watch already (try again)",
                {"Retry-After": "10"},
            )  # fmt: skip
        return await self.newsroom.tell(_upgrade(request))

    # ----- what they share

    def _turned_away(self, request: web.Request, asked: str, refusal: Refusal) -> None:
        """Note for the audit log who was not let in: the first of an address in a minute."""
        hosted = self.hosted().get(request.match_info.get("session", ""))
        now, source = asyncio.get_running_loop().time(), request.remote or ""
        if hosted is None or now < self._noted.get(source, -NOTE_EVERY) + NOTE_EVERY:
            return
        if len(self._noted) >= MAX_NOTED:
            self._noted = {s: t for s, t in self._noted.items() if now < t + NOTE_EVERY}
            if len(self._noted) >= MAX_NOTED:
                return
        self._noted[source] = now
        hosted.note(
            AuditRecord(
                event="refused", who="", source=source, session=str(hosted.offer.tsi),
                outcome=f"{asked}: {refusal.detail}",
            )
        )  # fmt: skip

    def _session(self, request: web.Request) -> HostedSession:
        found = self.hosted().get(request.match_info["session"])
        if found is None:
            raise Refusal(HTTPStatus.NOT_FOUND, "there is no such session (see /v1/sessions)")
        return found

    def _content(self, request: web.Request, who: Principal) -> HostedSession:
        """The session whose files are asked for, by somebody whom they are for."""
        hosted = self._session(request)
        if not who.may({Role.OPERATOR}) and not who.any_receiver and not hosted.listed(who.name):
            self.access.refused["role"] += 1
            raise Refusal(HTTPStatus.FORBIDDEN, f"{who.name} is not a receiver of this session")
        _secrets_in_private(request, hosted)
        return hosted

    def _only_itself(self, who: Principal, receiver: str) -> None:
        if not who.may_be(receiver):
            self.access.refused["role"] += 1
            raise Refusal(HTTPStatus.FORBIDDEN, f"{who.name} may not speak for {receiver}")

    async def _obeyed(self, hosted: HostedSession, command: Command) -> None:
        try:
            async with asyncio.timeout(ANSWER):
                done = await asyncio.wrap_future(hosted.ask(command))
        except TimeoutError:
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE, "the sender is too busy to answer (try again)",
                {"Retry-After": "1"},
            ) from None  # fmt: skip
        if not done:
            raise Refusal(HTTPStatus.CONFLICT, "that made no difference: it is over, or full")


@contextmanager
def _audited(
    hosted: HostedSession, event: str, receiver: str, request: web.Request, *, by: str = ""
) -> Iterator[None]:
    """Note for the audit log what was asked, and whether it was done."""
    outcome = "ok"
    try:
        yield
    except Refusal as refusal:
        event, outcome = "refused", f"{event}: {refusal.detail}"
        raise
    finally:
        hosted.note(
            AuditRecord(
                event=event, who=receiver, source=request.remote or "",
                session=str(hosted.offer.tsi), outcome=f"{outcome} (by {by})" if by else outcome,
            )
        )  # fmt: skip


def _secrets_in_private(request: web.Request, hosted: HostedSession) -> None:
    """Refuse to say keys, and what they keep secret, where others can listen."""
    offer = hosted.offer
    if offer.seal_key is None and offer.control_token is None:
        return
    if not request.secure and not ipaddress.ip_address(request.remote or "0.0.0.0").is_loopback:
        raise Refusal(HTTPStatus.FORBIDDEN, "a session with keys is joined over HTTPS only")


def _json(answer: BaseModel, status: int = 200) -> web.Response:
    return web.Response(
        body=answer.model_dump_json(by_alias=True).encode(), status=status,
        content_type="application/json",
    )  # fmt: skip


async def _body(request: web.Request, kind: type[_Model]) -> _Model:
    if request.content_type != "application/json":
        # Also what keeps forms of other sites out.
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must be application/json")
    try:
        return kind.model_validate_json(await request.read())
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors()
        )
        raise Refusal(HTTPStatus.BAD_REQUEST, wrong) from None


def _upgrade(request: web.Request) -> web.Request:
    if not web.WebSocketResponse(protocols=(SUBPROTOCOL,)).can_prepare(request).ok:
        raise Refusal(HTTPStatus.BAD_REQUEST, "this is a WebSocket (send an Upgrade)")
    return request


def _our_address(request: web.Request) -> str:
    transport = request.transport
    name = None if transport is None else transport.get_extra_info("sockname")
    return str(name[0]) if name else ""


def _join_answer(hosted: HostedSession, receiver: str, ours: str) -> model.JoinAnswer:
    offer = hosted.offer
    host, port = offer.control
    if ipaddress.ip_address(host.partition("%")[0]).is_unspecified:
        host = ours
    group = offer.group
    return model.JoinAnswer(
        session=offer.session_id, receiver=receiver, delivery=offer.delivery, tsi=offer.tsi,
        control=model.Endpoint(host=host, port=port),
        group=None if group is None else model.Endpoint(host=group[0], port=group[1]),
        source=offer.source or host, signing_key=offer.signing_key.hex(),
        manifest=offer.digest.hex(), size=offer.manifest.size, files=len(offer.manifest.files),
        rate=hosted.snapshot.progress.rate,
        seal_key=None if offer.seal_key is None else offer.seal_key.hex(),
        control_key=None if offer.control_token is None
        else key_of(offer.control_token, receiver).hex(),
        feedback=f"/v1/sessions/{offer.session_id}/feedback",
    )  # fmt: skip
