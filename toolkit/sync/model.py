"""What sync speaks of: versions, what clouds hold, what is decided about them.

Pure values.  A *version* of a model is named by its repository (a folder's name, a commit); its
*content* is a digest over the paths and bytes of its files, so that two versions of one name are
told apart.  Times are seconds on the caller's clock.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_MODEL = re.compile(rf"{NAME_PATTERN}(/{NAME_PATTERN})?")
_VERSION = re.compile(NAME_PATTERN)

LATEST = "latest"


def is_model(text: str) -> bool:
    """Whether `text` can name a model: NAME or ORG/NAME, as on the Hugging Face hub."""
    return _MODEL.fullmatch(text) is not None and "--" not in text and ".." not in text


def is_version(text: str) -> bool:
    """Whether `text` can name a version: it becomes the name of a folder."""
    return _VERSION.fullmatch(text) is not None and ".." not in text and text != LATEST


def folder_of(model: str) -> str:
    """The folder's name of a model; no two models have the same."""
    return model.replace("/", "--")


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """A version that a cloud is to have."""

    model: str
    version: str
    content: str
    """Hexadecimal."""
    rate: int = 1_000_000_000
    """bit/s of the session that delivers it."""

    def __str__(self) -> str:
        return f"{self.model}@{self.version}"


@dataclass(frozen=True, slots=True)
class Holding:
    """What a cloud says of one model."""

    current: str | None = None
    """Content of the version in use."""
    held: frozenset[str] = frozenset()
    """Contents that are there, whole and verified."""
    pinned: bool = False
    """Its operator has decided what is in use there (`llmsync sync rollback`)."""


NOTHING = Holding()


class Policy(StrEnum):
    """What becomes of a session that runs for a version which nobody wants any more."""

    FINISH = "finish"
    ABORT = "abort"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How sessions are made of requests."""

    window: float = 10.0
    """Seconds in which requests for a version are gathered into one session."""
    sessions: int = 2
    """Sessions at a time, at most."""
    uplink: int = 10_000_000_000
    """bit/s of all sessions together, at most."""
    first: float = 5.0
    """Seconds until a cloud that failed is tried again; doubled at each failure ..."""
    most: float = 300.0
    """... up to this."""
    tries: int | None = None
    """Failures after which a cloud is given up for a version; None: never."""
    presence: float = 60.0
    """Seconds after which a cloud that has not reported counts as away."""
    trust: float = 15.0
    """Seconds in which a receipt outweighs reports: they may have been on their way before it."""
    running: Policy = Policy.FINISH

    def backoff(self, failures: int) -> float:
        """Seconds to wait after so many failures."""
        return min(self.first * 2 ** min(failures - 1, 32), self.most) if failures else 0.0


@dataclass(frozen=True, slots=True)
class Start:
    """Begin a session."""

    session: int
    target: Target
    clouds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Abort:
    """End a session that nobody needs any more."""

    session: int


Decision = Start | Abort


class Stage(StrEnum):
    """How a cloud stands with a model that it is to have."""

    CURRENT = "current"
    """It uses the wanted version."""
    HELD = "held"
    """It has the wanted version and will use it when it asks next."""
    PINNED = "pinned"
    """Its operator has chosen another."""
    DELIVERING = "delivering"
    QUEUED = "queued"
    """It waits for others, or for its turn."""
    WAITING = "waiting"
    """It failed, and is tried again later."""
    GIVEN_UP = "given up"
    AWAY = "away"
    """It does not report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One cloud and one model now."""

    cloud: str
    target: Target
    stage: Stage
    current: str | None = None
    """Content that it uses."""
    why: str = ""
    """The last failure."""
    failures: int = 0


Desired = Mapping[str, Mapping[str, Target]]
"""Cloud -> model -> what it is to have."""


@dataclass(frozen=True, slots=True)
class Running:
    """A session under way."""

    session: int
    target: Target
    clouds: tuple[str, ...]
    started: float


@dataclass(frozen=True, slots=True)
class Record:
    """A line of the journal: what happened when."""

    at: float
    event: str
    """`started` or `ended`."""
    session: int
    target: Target | None = None
    clouds: tuple[str, ...] = ()
    outcomes: Mapping[str, str] = field(default_factory=dict)
    """`ended`: cloud -> why it has not got it; empty: it has."""
