"""The 64 bits of an x86-64 page-table entry, release by release."""
