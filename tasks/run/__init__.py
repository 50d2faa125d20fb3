"""The life of a run: plan, approval, lock, report."""
