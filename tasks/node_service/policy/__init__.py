"""Makes the decisions. All functions here are pure functions of facts."""
