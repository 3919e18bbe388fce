"""mmviz."""
