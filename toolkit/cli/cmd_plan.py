"""`llmsync plan`: show what follows from an inventory, and keep its identifiers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.console import add_output, print_data, say, table
from toolkit.cli.transport import add_transport
from toolkit.errors import ExitCode

if TYPE_CHECKING:
    from toolkit.plan.document import SetMember
    from toolkit.plan.model import FlowPlan, Lock, Plan, RouterPlan

EXAMPLE = """\
examples:
  llmsync plan inventories/demo                  what each router, set and flow gets
  llmsync plan inventories/demo -o json          everything, for scripts
  llmsync plan inventories/demo --write-lock     keep the identifiers from now on
  llmsync plan inventories/demo --check-lock     in a pipeline: exit 3 if some are not kept yet

Identifiers (BFR-ids, addresses, labels, TSIs) are kept in llmsync.lock.json in the inventory's
folder, or in NAME.lock.json beside NAME.yaml.  Commit that file: it is what keeps a network from
being renumbered when a GPU cloud is added."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Set the arguments of `llmsync plan`."""
    parser.add_argument(
        "path", type=Path, metavar="PATH", help="inventory: a YAML file or a folder"
    )
    add_transport(parser)
    add_output(parser, formats=("table", "json", "yaml"))
    lock = parser.add_mutually_exclusive_group()
    lock.add_argument(
        "--write-lock", action="store_true", help="write new identifiers to the lock file"
    )
    lock.add_argument(
        "--check-lock", action="store_true", help="exit 3 if --write-lock would write anything"
    )
    parser.epilog = EXAMPLE


def run(args: argparse.Namespace) -> int:
    """Print the plan; write or check the lock if asked to."""
    from toolkit.cli.loading import inventory_path, load_plan, lock_path, read_lock, write_lock

    args.path = inventory_path(args.path)
    _, plan, lock = load_plan(args.path, args.transport)
    new = _new_names(read_lock(args.path), lock)
    if new and args.write_lock:
        # Before any output: whoever closes our standard output early still gets the lock.
        say(f"llmsync: {write_lock(args.path, lock)}: added {new}")
    elif new:
        say(f"llmsync: {lock_path(args.path)}: not locked yet: {new} (run with --write-lock)")
    if args.format == "table":
        print("\n\n".join(_sections(plan)))
    else:
        from toolkit.plan.document import plan_document

        print_data(plan_document(plan), args.format)
    return ExitCode.CHANGES_PENDING if new and args.check_lock else ExitCode.OK


def _new_names(old: Lock, new: Lock) -> str:
    """Say what a lock gained (`BFR-ids 7, links 17`); empty: nothing, and it never loses any."""
    gained = {
        field.name.replace("bfr_ids", "BFR-ids"): len(
            getattr(new, field.name).keys() - getattr(old, field.name).keys()
        )
        for field in fields(new)
    }
    return ", ".join(f"{section} {count}" for section, count in gained.items() if count)


def _sections(plan: Plan) -> Iterator[str]:
    from toolkit.plan.document import sets_in_use

    header = ("router", "platform", "region", "loopback", "system-id", "role", "BFR-id", "BIFT-ids")
    yield "Routers\n" + table(header, [_router(router) for router in plan.routers.values()])
    rows = [
        (si, len(members), f"{members[0]['bfr_id']}-{members[-1]['bfr_id']}", _regions(members))
        for si, members in sets_in_use(plan).items()
    ]
    yield "Sets\n" + table(("SI", "BFR-ids", "range", "regions"), rows)
    header = ("delivery", "from", "(S,G)", "TSI", "imposed by", "clouds", "copies", "payload")
    if plan.pim is not None:
        ranges = " ".join(map(str, plan.pim.ssm_ranges))
        pim = (plan.pim.rp or "none", plan.pim.rp_address or "", plan.pim.groups, ranges)
        yield "PIM\n" + table(("RP", "address", "any-source groups", "SSM ranges"), [pim])
    yield "Flows\n" + table(header, [_flow(flow) for flow in plan.flows])
    bits = [
        (flow.delivery, si, value.bit_count(), f"{value:x}")
        for flow in plan.flows
        for si, value in sorted(flow.bit_strings().items())
    ]
    yield "BitStrings\n" + table(("delivery", "SI", "bits", "hexadecimal"), bits)


def _router(router: RouterPlan) -> tuple[object, ...]:
    role = "transit" if router.bfr else "PIM" if router.pim else "no BIER"
    bfr_id, block = "", ""
    for sub_domain in router.sub_domains:
        last = sub_domain.bift_id_base + sub_domain.max_si
        block = f"{sub_domain.bift_id_base}" + (f"-{last}" if sub_domain.max_si else "")
        if sub_domain.bfr_id is not None:
            role, bfr_id = "edge", str(sub_domain.bfr_id)
    return (
        router.name,
        router.platform,
        router.region,
        router.loopback,
        router.system_id,
        role,
        bfr_id,
        block,
    )


def _regions(members: list[SetMember]) -> str:
    return ", ".join(dict.fromkeys(m["region"] or "-" for m in members))


def _flow(flow: FlowPlan) -> tuple[object, ...]:
    return (
        flow.delivery,
        flow.source,
        f"({flow.source_address},{flow.group})",
        flow.tsi,
        flow.imposition,
        len(flow.clouds),
        len(flow.bit_strings()),
        flow.payload,
    )
