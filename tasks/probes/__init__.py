"""A remote question is a command and a pure parser of its output."""
