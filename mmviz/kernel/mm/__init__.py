"""Pages, page tables, address spaces, faults and fork."""
