"""A restore of etcd on its nodes."""
