"""Members of etcd: how they are, and what keeps them well."""
