"""Retriable tasks with one intention each, and below them clients, probes, policy and models (docs/architecture.md)."""

__version__ = "0.1.0"
