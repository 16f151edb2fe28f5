"""Whatever graph a GML file holds: it loads and is planned, or it is refused with names."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolkit.errors import InventoryError
from toolkit.inventory.importers.assemble import Order, assemble
from toolkit.inventory.importers.choose import Wishes
from toolkit.inventory.importers.text import files_of, scalar
from toolkit.inventory.importers.zoo import read_zoo
from toolkit.inventory.load import load_inventory
from toolkit.plan.expand import make_plan
from toolkit.plan.lock import EMPTY_LOCK

LABELS = st.one_of(
    st.sampled_from(
        ["a", "A", "b", "a-b", "hub", "all", "no", "NO", "null", "cloud-a", "cloud", "None", "",
         "1", "0x1f", "1e3", "Zürich", "北京", "hub-2", "a-2", "~", "# x", "{}", "link-1", "y"]
    ),
    st.text(max_size=40),
)  # fmt: skip
REGIONS = st.one_of(st.none(), st.sampled_from(["Spain", "SPAIN", "no", "1", "a: b", "# c", "é"]),
                    st.text(max_size=70))  # fmt: skip


def escaped(text):
    """Write text as GML does: ASCII, everything else as a character reference."""
    return "".join(
        c if c.isascii() and c.isprintable() and c not in '"&' else f"&#{ord(c)};"
        for c in text
        if ord(c) > 0 and not 0xD800 <= ord(c) <= 0xDFFF
    )


@st.composite
def gml_files(draw):
    size = draw(st.integers(1, 7))
    lines = ["graph [", f"directed {draw(st.integers(0, 1))}"]
    for number in range(size):
        lines.append(f'node [ id {number} label "{escaped(draw(LABELS))}"')
        if draw(st.booleans()):
            latitude, longitude = draw(st.floats(-90, 90)), draw(st.floats(-180, 180))
            lines.append(f"Latitude {latitude!r} Longitude {longitude!r}")
        if (region := draw(REGIONS)) is not None:
            lines.append(f'Country "{escaped(region)}"')
        lines.append(f"Internal {draw(st.integers(0, 1))} ]")
    node = st.integers(0, size - 1)
    for a, b in draw(st.lists(st.tuples(node, node), min_size=size - 1, max_size=12)):
        raw = draw(st.one_of(st.none(), st.floats(), st.sampled_from([2e6, 1e10, 0.0, 1e30])))
        speed = "" if raw is None else f"LinkSpeedRaw {raw!r}"
        lines.append(f"edge [ source {a} target {b} {speed} ]")
    return "\n".join([*lines, "]"])


WISHES = st.one_of(
    st.just(Wishes()), st.just(Wishes(everyone=True)), st.builds(Wishes, farthest=st.integers(1, 6))
)


@given(gml_files(), WISHES, st.booleans())
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_multigraph_loads_back_and_is_planned_or_is_refused(text, wishes, largest):
    draft = read_zoo(text.encode(), "some.gml")
    names = {router.name for router in draft.routers}
    try:
        network = assemble(draft, Order(wishes=wishes, largest_component=largest))
    except InventoryError as error:
        said = str(error)
        joined = {end for link in draft.links for end in (link.a, link.b)}
        if "parts" in said:
            assert not largest
            assert any(name in said for name in names)
        else:
            assert len(joined) < 2 or "clouds cannot be had" in said
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files_of(network, command="llmsync").items():
            (Path(folder) / name).write_text(content, "utf-8")
        inventory = load_inventory(Path(folder))
    assert list(inventory.routers) == [r.name for r in network.draft.routers]
    assert [r.region for r in inventory.routers.values()] == [
        r.region for r in network.draft.routers
    ]
    drawn = [(k.a, k.b, k.metric, k.capacity, k.delay) for k in network.draft.links]
    assert [(k.a, k.b, k.metric, k.capacity, k.delay) for k in inventory.links] == drawn
    assert [(c.name, c.router) for c in inventory.clouds.values()] == [
        (c.name, c.router) for c in network.clouds
    ]
    assert [p.failures for p in inventory.policies] == [
        n for n in (network.survival.failures,) if n
    ]
    make_plan(inventory, EMPTY_LOCK)


@given(st.text(max_size=60).filter(lambda t: t.isprintable()))
def test_a_text_is_read_back_as_that_text(text):
    import yaml

    assert yaml.safe_load(f"{{a: {scalar(text)}, b: 1}}") == {"a": text, "b": 1}
