"""Values of patches of the operating system."""
