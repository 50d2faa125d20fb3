"""Questions to nodes and to the API, and pure readers of the answers."""
