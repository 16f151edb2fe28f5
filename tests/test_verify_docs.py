"""docs/reference/findings.md says what the catalogue says, no more and no less.

LLMSYNC_UPDATE_GOLDEN=1 rewrites the tables of the page.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from toolkit.verify import batfish
from toolkit.verify.catalogue import KINDS
from toolkit.verify.multicast import CHECKS

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "findings.md"


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (header, *rows)]
    return "\n".join([lines[0], "|" + " --- |" * len(header), *lines[1:]])


def kinds() -> str:
    rows = [(f"`{k.id}`", k.severity.value, k.meaning, f"{k.remedy}.") for k in KINDS.values()]
    return table(("id", "severity", "meaning", "remedy"), rows)


def checks() -> str:
    both = [(c.title, c.kinds) for c in (*CHECKS, *batfish.CHECKS)]
    rows = [(title, ", ".join(f"`{kind}`" for kind in ids)) for title, ids in both]
    return table(("check", "findings"), rows)


def section(page: str, name: str, content: str) -> str:
    pattern = rf"(<!-- {name}: [^>]*-->\n).*?(<!-- end of {name} -->)"
    changed, count = re.subn(pattern, lambda m: f"{m[1]}\n{content}\n\n{m[2]}", page, flags=re.S)
    assert count == 1
    return changed


def test_the_page_documents_every_kind_and_every_check() -> None:
    page = PAGE.read_text(encoding="utf-8")
    expected = section(section(page, "kinds", kinds()), "checks", checks())
    if os.environ.get("LLMSYNC_UPDATE_GOLDEN"):
        PAGE.write_text(expected, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == expected


def test_every_kind_is_made_somewhere_and_no_other_is() -> None:
    code = [*(ROOT / "toolkit").rglob("*.py")]
    text = "\n".join(
        p.read_text(encoding="utf-8") for p in code if not p.name.startswith("catalogue")
    )
    for kind in KINDS:
        assert f'"{kind}"' in text, f"nothing makes {kind}"
    claimed = {k for c in (*CHECKS, *batfish.CHECKS) for k in c.kinds}
    assert KINDS.keys() - claimed == {
        "policy-broken", "cloud-lost", "state-differs", "config-lint"
    }  # fmt: skip
    assert claimed <= KINDS.keys()


def test_ids_are_words_and_hyphens_and_texts_are_sentences() -> None:
    for kind in KINDS.values():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)+", kind.id)
        assert kind.meaning[0].isupper()
        assert kind.meaning.endswith(".")
        assert not kind.remedy.endswith(".")
        assert "|" not in kind.meaning + kind.remedy
