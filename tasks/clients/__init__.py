"""The only rooms with infrastructure in them: SSH, etcd, the object store."""
