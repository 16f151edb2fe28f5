"""`llmsync platforms`: what each platform can do, and the way out of what it cannot."""

from __future__ import annotations

import argparse
from typing import Any

from toolkit.cli.console import add_output, print_data, table
from toolkit.errors import ExitCode
from toolkit.inventory.model import Platform

EXAMPLE = """\
examples:
  llmsync platforms                    the grid: features and platforms
  llmsync platforms junos              what Junos cannot do, why, and the way out
  llmsync platforms -o json            everything, for scripts

Configuration is proven against a platform's own YANG modules where they are at hand
(LLMSYNC_YANG_PATH, `llmsync yang fetch`)."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync platforms`."""
    parser.add_argument(
        "platform", nargs="?", choices=[p.value for p in Platform], metavar="PLATFORM",
        help=f"one platform in full: {', '.join(Platform)}",
    )  # fmt: skip
    add_output(parser)
    parser.epilog = EXAMPLE


def run(args: argparse.Namespace) -> int:
    """Print the grid or one of its columns."""
    wanted = [Platform(args.platform)] if args.platform else list(Platform)
    documents = [document(platform) for platform in wanted]
    if args.format == "json":
        print_data(documents, "json")
    elif args.platform:
        print("\n".join(_lines(documents[0])))
    else:
        print(grid(documents))
    return ExitCode.OK


def document(platform: Platform) -> dict[str, Any]:
    """Return all that is known of a platform, JSON-ready."""
    from toolkit.plan.platforms import PLATFORMS
    from toolkit.plan.platforms.facts import FEATURES

    facts = PLATFORMS[platform]
    bier = facts.bier
    return {
        "platform": platform.value,
        "title": facts.title,
        "features": {
            feature: "no" if feature in facts.refused
            else "not needed" if feature in facts.unneeded
            else "partly" if any(cell.startswith(f"{feature}/") for cell in facts.refused)
            else "yes"
            for feature in FEATURES
        },
        "refused": {
            cell: {"why": refusal.why, "remedy": refusal.remedy}
            for cell, refusal in facts.refused.items()
        },
        "not_in_configuration": dict(facts.silent),
        "bier": None if bier is None or not bier.encapsulations else {
            "encapsulations": sorted(bier.encapsulations),
            "bitstring_lengths": sorted(bier.bsls),
            "largest_bfr_id": bier.max_bfr_id,
            "address_families": [f"IPv{version}" for version in sorted(bier.versions)],
            "imposition_by_hosts": bier.host_imposition,
            "equal_cost_ways": bier.ecmp,
            "tunnels_across_others": sorted(bier.tunnels),
        },
        "replication_segments": facts.replication,
        "loopback": facts.loopback,
        "ports": facts.port_example or "any name; the plan gives one where none is declared",
    }  # fmt: skip


def grid(documents: list[dict[str, Any]]) -> str:
    """Return features in rows, platforms in columns."""
    header = ("feature", *(d["platform"] for d in documents))
    rows = [
        (feature, *(d["features"][feature] for d in documents))
        for feature in documents[0]["features"]
    ]
    return table(header, rows)


def _lines(said: dict[str, Any]) -> list[str]:
    lines = [f"{said['platform']}: {said['title']}"]
    lines += [f"  {feature:<12}{word}" for feature, word in said["features"].items()]
    lines += [f"  loopback    {said['loopback']}", f"  ports       {said['ports']}"]
    if said["bier"] is not None:
        lines += ["", "BIER:"]
        for key, value in said["bier"].items():
            shown = ", ".join(map(str, value)) or "none" if isinstance(value, list) else value
            lines.append(f"  {key.replace('_', ' ')}: {shown}")
    if said["refused"]:
        lines += ["", "Cannot do:"]
        for cell, refusal in said["refused"].items():
            lines += [f"  {cell}: {refusal['why']}", f"    way out: {refusal['remedy']}"]
    if said["not_in_configuration"]:
        lines += ["", "Not in its configuration, taken from the plan:"]
        lines += [f"  {name}: {why}" for name, why in said["not_in_configuration"].items()]
    return lines
