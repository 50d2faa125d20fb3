"""Models what a restore of volumes may do, what it knows, and what it did."""
