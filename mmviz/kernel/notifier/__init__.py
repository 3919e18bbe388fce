"""MMU notifiers: how the core notifies drivers that a mapping changes."""
