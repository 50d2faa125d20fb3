"""A room for each noun, and the core that all stand on (docs/architecture.md)."""

__version__ = "0.1.0"
