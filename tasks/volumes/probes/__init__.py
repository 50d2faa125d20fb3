"""Parses claims, volumes and snapshots as the API has them."""
