"""Worlds, casts and jobs of exercises, a file a mail thread, where the exercises alone are long."""
