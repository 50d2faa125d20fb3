"""What the domain is made of: frozen values that cross every boundary."""
