"""Page-table entries of every architecture: kinds, numbering, coding, and what a value was."""
