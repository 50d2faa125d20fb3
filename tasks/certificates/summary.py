"""Summarizes an inventory: what people read first."""

from tasks.certificates.models.inventory import Inventory
from tasks.core.models.plan import Plan


def summarize_inventory(inventory: Inventory, plan: Plan) -> tuple[str, ...]:
    """Returns the report text for certificates without problems."""
    ends = sorted((one.not_after, one.label) for one in inventory.certificates if one.not_after)
    memory = sorted({f"{one.name} at {one.port}" for node in inventory.nodes for one in node.served if not one.path})
    return (
        f"{len(inventory.certificates)} certificates of {len(inventory.nodes)} nodes and of the API hold",
        *(f"the first one to expire: {label}, {end:%Y-%m-%d %H:%M} UTC" for end, label in ends[:1]),
        *(f"made in memory at each start, and in no file: {name}" for name in memory),
        f"{len(plan.cautions)} to check",
    )
