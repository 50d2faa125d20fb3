"""A backup of etcd: taken, verified, kept, proven by a drill."""
