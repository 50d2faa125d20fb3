"""Manages the life of a run: plan, approval, lock, report."""
