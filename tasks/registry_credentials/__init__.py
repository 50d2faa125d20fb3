"""Creates and rotates the pull Secrets of a registry: proven on the nodes before anything uses them."""
