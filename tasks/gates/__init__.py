"""Asks the site's own gates of its profile: a command, a condition of an object, a Prometheus query."""
