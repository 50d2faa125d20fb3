"""Observes the members of etcd and maintains them."""
