"""The 64 bits of an arm64 page-table entry (4 KiB granule), release by release."""
