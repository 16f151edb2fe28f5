"""Who may do what: a file of names, roles and hashed tokens.

    # name   roles              proof
    fra      receiver           sha256:9f86d081884c7d65...
    ops      operator,reader    sha256:60303ae22b998861...
    alice    operator           cert

A token itself is in no file of ours: 32 random bytes need no salt and no slow hash, SHA-256 is
what is kept.  `cert`: the name of a client certificate that our authority has signed.  A file with
nothing but `sha256:...` in it is one token that may do everything, as any receiver.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from toolkit.errors import Place, Problem, ProblemsError, UsageError

PREFIX = "llmsync_"
"""So that a token that was published by mistake is found by whoever scans for such."""
_HASH = re.compile(r"sha256:([0-9a-f]{64})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")


class Role(StrEnum):
    """What somebody may do."""

    RECEIVER = "receiver"
    """Join as itself, speak as itself, fetch what is delivered to it."""
    READER = "reader"
    """See how sessions stand."""
    OPERATOR = "operator"
    """Abort sessions and evict receivers; sees all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Somebody who has proven who it is."""

    name: str
    roles: frozenset[Role]
    any_receiver: bool = False
    """It may speak for every receiver (a shared token)."""

    def may_be(self, receiver: str) -> bool:
        """Whether it may act as this receiver."""
        return Role.RECEIVER in self.roles and (self.any_receiver or receiver == self.name)

    def may(self, roles: Iterable[Role]) -> bool:
        return not self.roles.isdisjoint(roles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The lines of a token file."""

    hashed: tuple[tuple[bytes, Principal], ...] = ()
    """SHA-256 of a token -> whose it is."""
    certified: tuple[Principal, ...] = ()

    def find(self, token: str) -> Principal | None:
        """Return whose `token` is; takes as long for a wrong one as for the last."""
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        found = None
        for known, principal in self.hashed:
            if hmac.compare_digest(known, digest):
                found = principal
        return found

    def certificate(self, name: str) -> Principal:
        """Return who the owner of a certificate that was verified is."""
        for principal in self.certified:
            if principal.name == name:
                return principal
        return Principal(name=name, roles=frozenset({Role.RECEIVER}))


def read_tokens(path: Path) -> Tokens:
    """Read a token file; raises ProblemsError naming every line that is wrong."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror} (`llmsync sessions token` makes one)") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8 (`llmsync sessions token` makes one)") from None
    problems: list[Problem] = []
    hashed: list[tuple[bytes, Principal]] = []
    certified: list[Principal] = []
    said = [(i, line.partition("#")[0].split()) for i, line in enumerate(lines, 1)]
    said = [(i, words) for i, words in said if words]
    for number, words in said:
        place = Place(file=str(path), line=number)
        if len(words) == 1 and len(said) == 1 and (matched := _HASH.fullmatch(words[0])):
            everything = Principal(name="token", roles=frozenset(Role), any_receiver=True)
            hashed.append((bytes.fromhex(matched[1]), everything))
            continue
        entry = _entry(words, place, problems)
        if entry is None:
            continue
        digest, principal = entry
        if digest is None:
            certified.append(principal)
        elif any(digest == other for other, _ in hashed):
            problems.append(Problem(place, "this token is listed above", "give each its own"))
        else:
            hashed.append((digest, principal))
    if not said:
        problems.append(
            Problem(Place(file=str(path)), "nobody is listed", "see `llmsync sessions token`")
        )
    if problems:
        raise ProblemsError(sorted(problems))
    return Tokens(hashed=tuple(hashed), certified=tuple(certified))


def _entry(
    words: list[str], place: Place, problems: list[Problem]
) -> tuple[bytes | None, Principal] | None:
    if len(words) == 2:
        words = [words[0], Role.RECEIVER, words[1]]
    if len(words) != 3:
        problems.append(Problem(place, "is not NAME [ROLES] PROOF", "fra receiver sha256:..."))
        return None
    name, given, proof = words
    before = len(problems)
    if not _NAME.fullmatch(name):
        problems.append(Problem(place, "the name is not one", "letters, digits, . _ @ -"))
    roles = set()
    for role in given.split(","):
        if role in set(Role):
            roles.add(Role(role))
        else:
            problems.append(
                Problem(place, f"role {role!r} is unknown", f"one of {', '.join(Role)}")
            )
    matched = _HASH.fullmatch(proof)
    if matched is None and proof != "cert":
        # What stands there may be a token: it is not repeated.
        problems.append(
            Problem(place, "the proof is neither sha256:HEX nor cert", "never the token itself")
        )
    if len(problems) > before:
        return None
    principal = Principal(name=name, roles=frozenset(roles))
    return (bytes.fromhex(matched[1]) if matched else None), principal


def new_token() -> tuple[str, str]:
    """Return a new token and what a token file keeps of it."""
    token = PREFIX + secrets.token_urlsafe(32)
    return token, "sha256:" + hashlib.sha256(token.encode()).hexdigest()


def read_token(path: Path) -> str:
    """Return the token that a client keeps in `path`."""
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "not UTF-8"
        raise UsageError(f"{path}: {said} (ask the sender's operator for a token)") from None
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"{path}: it must hold one token and nothing else")
    return token
