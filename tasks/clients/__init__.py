"""Holds the only packages that reach infrastructure: SSH, etcd, the object store, Kubernetes and Prometheus."""
