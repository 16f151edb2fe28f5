"""Token files: every wrong line is named, no token is repeated; and what a token proves."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from toolkit.errors import ProblemsError, UsageError
from toolkit.service.tokens import PREFIX, Role, new_token, read_token, read_tokens


def hashed(token: str) -> str:
    return "sha256:" + hashlib.sha256(token.encode()).hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


def test_names_roles_and_proofs(file: Path) -> None:
    file.write_text(
        f"# who\n\nfra {hashed('a')}\nops operator,reader {hashed('b')}  # us\n"
        "alice operator cert\n"
    )
    tokens = read_tokens(file)
    fra, ops = tokens.find("a"), tokens.find("b")
    assert fra is not None
    assert ops is not None
    assert (fra.name, fra.roles) == ("fra", {Role.RECEIVER})
    assert ops.roles == {Role.OPERATOR, Role.READER}
    assert fra.may_be("fra")
    assert not fra.may_be("lon")
    assert not ops.may_be("ops")
    assert tokens.find("c") is tokens.find("") is None
    assert tokens.certificate("alice").roles == {Role.OPERATOR}
    assert tokens.certificate("bob").roles == {Role.RECEIVER}


def test_one_token_for_everything(file: Path) -> None:
    file.write_text(hashed("a") + "\n")
    found = read_tokens(file).find("a")
    assert found is not None
    assert found.roles == set(Role)
    assert found.may_be("fra")
    assert found.may_be("lon")


def test_all_that_is_wrong_is_said_at_once_and_no_secret(file: Path) -> None:
    secret = "llmsync_notahashatall"
    file.write_text(
        f"fra {secret}\nlon king {hashed('b')}\nams\n-x- {hashed('c')}\n"
        f"par {hashed('d')}\nrom {hashed('d')}\n{hashed('e')}\n"
    )
    with pytest.raises(ProblemsError) as caught:
        read_tokens(file)
    text = str(caught.value)
    for line in (1, 2, 3, 4, 6, 7):
        assert f"{file}:{line}: " in text
    assert f"{file}:5: " not in text
    assert secret not in text


def test_a_file_that_cannot_be_read(file: Path) -> None:
    with pytest.raises(UsageError, match="sessions token"):
        read_tokens(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="UTF-8"):
        read_tokens(file)
    file.write_text("# nobody\n")
    with pytest.raises(ProblemsError, match="nobody is listed"):
        read_tokens(file)


def test_a_new_token_is_found_by_its_hash(file: Path) -> None:
    token, kept = new_token()
    assert token.startswith(PREFIX)
    assert len(token) >= 50
    assert kept == hashed(token)
    assert token not in kept


@pytest.mark.parametrize("text", ["", "two words", "tö", "a\x00b"])
def test_what_is_no_token(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(UsageError, match="one token and nothing else"):
        read_token(file)
    file.write_text(" tok \n")
    assert read_token(file) == "tok"
