"""HMM before and after v5.5: mirrors, ranges, and what an invalidation does to them."""
