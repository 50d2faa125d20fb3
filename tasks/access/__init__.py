"""Says who may do what in a cluster, and compares that with what the site declares."""
