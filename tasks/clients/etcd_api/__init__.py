"""etcd's v3 API: rpc.proto is ours to edit, the rest is generated from it by `make proto`."""
