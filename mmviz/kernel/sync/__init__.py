"""Locks, references, grace periods, work and memory ordering."""
