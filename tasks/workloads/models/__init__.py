"""Values: names of workloads, their state, their revisions, and what is done to them."""
