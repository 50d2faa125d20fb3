"""Issues certificates from nothing, for machines that are to become a cluster."""
