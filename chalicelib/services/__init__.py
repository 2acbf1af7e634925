"""What the product does, in its own words."""
