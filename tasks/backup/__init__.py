"""Takes, verifies and keeps backups of etcd, and proves them by a drill."""
