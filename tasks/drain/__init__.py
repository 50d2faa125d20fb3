"""A node taken out of service, and given back."""
