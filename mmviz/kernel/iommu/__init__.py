"""IOMMU groups, domains, PASIDs, and the drivers and users behind them."""
