"""Reports on the races: the catalogue, a thread's debate, and the mutants of a case.

Every verdict and count here comes from a search run at that moment.
"""
