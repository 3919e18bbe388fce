"""The stage: thin Jupyter shells round pure scenes. Only this package imports widgets."""
