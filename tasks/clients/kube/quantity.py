"""Reads quantities, with the API client's own parser."""

from decimal import Decimal

from kubernetes.utils.quantity import parse_quantity


def amount_of(quantity: int | str) -> Decimal:
    """Returns the number of a quantity such as `500m` or `2Gi`."""
    return Decimal(parse_quantity(quantity))  # type: ignore[no-untyped-call]
