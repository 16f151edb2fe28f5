"""A value of JSON, as routers show their state in it (RFC 8259, RFC 7951).  Pure."""

from __future__ import annotations

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]
