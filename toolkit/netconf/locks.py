"""Who holds which datastore.  RFC 6241 sections 7.5 and 7.6.  Pure."""

from __future__ import annotations

from toolkit.netconf.names import Datastore
from toolkit.netconf.rpcerror import RefusedError, refused


class Locks:
    """The global locks of one router."""

    def __init__(self) -> None:
        self.holders: dict[Datastore, int] = {}
        """Datastore -> the session that holds its lock."""
        self.times: dict[Datastore, float] = {}
        """Datastore -> when its lock was taken, in seconds of the device's clock."""

    def held_by(self, session: int) -> list[Datastore]:
        return [store for store, holder in self.holders.items() if holder == session]

    def must_be_free(self, store: Datastore) -> None:
        holder = self.holders.get(store)
        if holder is not None:
            raise denied(holder, f"session {holder} holds the lock on {store}")

    def must_not_bar(self, store: Datastore, session: int) -> None:
        """Refuse a change of a datastore that another session holds."""
        holder = self.holders.get(store, session)
        if holder != session:
            raise refused(
                "in-use", f"session {holder} holds the lock on {store}", layer="application"
            )

    def take(self, store: Datastore, session: int, now: float) -> None:
        self.holders[store], self.times[store] = session, now

    def release(self, store: Datastore) -> None:
        del self.holders[store], self.times[store]


def denied(holder: int, message: str) -> RefusedError:
    """Return the refusal of a lock; `holder` 0 is nobody with a session (section 7.5)."""
    return refused("lock-denied", message, session_id=str(holder))
