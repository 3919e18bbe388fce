"""The exercises, a file a mail thread; each file has a tuple `EXERCISES`."""
