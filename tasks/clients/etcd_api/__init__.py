"""Holds etcd's v3 API: rpc.proto is maintained here, and `make proto` generates the rest from it."""
