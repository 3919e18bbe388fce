"""Texts that are hostile, at every door.  `make fuzz` runs 100,000 of them."""
