"""Models rights, the access policy of a site, and what an audit finds."""
