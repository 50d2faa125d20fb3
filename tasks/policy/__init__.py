"""Decisions as pure functions: facts, rules and `now` in; steps, skips and reasons out."""
