"""Makes the objects that a credential needs, and parses the answers of the API."""
