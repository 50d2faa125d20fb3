"""Takes a node out of service and puts it back."""
