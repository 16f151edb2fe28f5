"""Who still holds which block of the window.

Pure.  A block is lent under a ticket to everybody who is there, and to the host's own sink, which
is holder 0.  When the last holder gives it back it is free.  Agents come and go: whoever leaves
holds nothing any more.  An agent that gives nothing back while others wait for the memory is stuck.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from toolkit.errors import WireError

HOST = 0
"""The host's own sink."""
MAX_AGENTS = 62


@dataclass(slots=True)
class Holder:
    """One agent, as the ledger knows it."""

    name: str
    joined: float
    moved: float
    """When it gave something back last, or began to hold anything."""
    held: int = 0
    """Bytes that it holds."""
    blocks: int = 0
    """That it has given back."""
    bytes: int = 0
    waited: float = 0.0
    """Seconds that others waited for it alone."""


@dataclass(slots=True)
class _Loan:
    size: int
    mask: int
    """Bit i: holder i has it."""


class Ledger:
    """The loans of one window.

    `patience`: seconds that an agent may hold blocks without giving one back while memory is
    wanted.
    """

    def __init__(self, patience: float) -> None:
        self.agents: dict[int, Holder] = {}
        self.held = 0
        """Bytes that are lent."""
        self._patience = patience
        self._loans: dict[int, _Loan] = {}
        self._wanted_since: float | None = None
        self._alone_since: tuple[int, float] | None = None

    def __len__(self) -> int:
        return len(self._loans)

    def join(self, name: str, now: float) -> int:
        """An agent is here; return its number."""
        number = next((i for i in range(1, MAX_AGENTS + 1) if i not in self.agents), 0)
        if not number:
            raise WireError(f"{MAX_AGENTS} agents are here already")
        self.agents[number] = Holder(name, now, now)
        return number

    def leave(self, agent: int, now: float) -> list[int]:
        """An agent is gone; return the tickets that are free now."""
        self._look(now)
        mine = [ticket for ticket, loan in self._loans.items() if loan.mask >> agent & 1]
        free = self._clear(1 << agent, mine)
        del self.agents[agent]
        self._look(now)
        return free

    def lend(self, ticket: int, size: int, now: float) -> None:
        """The host's sink holds a block; so do the agents once they were told of it (`tell`)."""
        if ticket in self._loans:
            raise ValueError(f"ticket {ticket} is lent already")
        self._loans[ticket] = _Loan(size, 1 << HOST)
        self.held += size
        self._look(now)

    def tell(self, tickets: Sequence[int], agents: Sequence[int], now: float) -> None:
        """Agents were told of blocks, and hold them."""
        bits, size = sum(1 << agent for agent in agents), 0
        for ticket in tickets:
            loan = self._loans[ticket]
            if loan.mask & bits:
                raise ValueError(f"ticket {ticket} is held already")
            loan.mask |= bits
            size += loan.size
        for agent in agents:
            holder = self.agents[agent]
            if not holder.held:
                holder.moved = now
            holder.held += size

    def back(self, holder: int, tickets: Sequence[int], now: float) -> list[int]:
        """Tickets are given back; return those that are free now.  Raises WireError where one was
        not held."""
        loans, bit = self._loans, 1 << holder
        if len(set(tickets)) != len(tickets):
            raise WireError("a ticket was released twice")
        for ticket in tickets:
            loan = loans.get(ticket)
            if loan is None or not loan.mask & bit:
                raise WireError(f"ticket {ticket} was released, which was not held")
        size = sum(loans[ticket].size for ticket in tickets)
        if holder != HOST:
            found = self.agents[holder]
            found.moved = now
            found.blocks += len(tickets)
            found.bytes += size
            found.held -= size
        free = self._clear(bit, tickets)
        self._look(now)
        return free

    def wanted(self, now: float, *, wanted: bool) -> None:
        """Whether the memory that is lent is waited for: the window is full, or all that is left
        to do is to get it back."""
        if not wanted:
            self._wanted_since = None
        elif self._wanted_since is None:
            self._wanted_since = now

    def stuck(self, now: float, share: float = 1.0) -> list[int]:
        """Return the agents that give nothing back although it is waited for.

        `share`: of the patience with them that is used up.
        """
        since = self._wanted_since
        if since is None:
            return []
        return [
            number
            for number, holder in self.agents.items()
            if holder.held and now - max(since, holder.moved) >= share * self._patience
        ]

    def _clear(self, bit: int, tickets: Sequence[int]) -> list[int]:
        """A holder has these no more; return those that nobody has."""
        loans, free = self._loans, []
        for ticket in tickets:
            loan = loans[ticket]
            loan.mask ^= bit
            if not loan.mask:
                del loans[ticket]
                self.held -= loan.size
                free.append(ticket)
        return free

    def _look(self, now: float) -> None:
        """Count the time for which one agent alone holds all that is lent."""
        if self._alone_since is not None:
            agent, since = self._alone_since
            if agent in self.agents and self._wanted_since is not None:
                self.agents[agent].waited += now - max(since, self._wanted_since)
        holding = [number for number, holder in self.agents.items() if holder.held]
        self._alone_since = (holding[0], now) if len(holding) == 1 else None
