"""Questions, exercises and the judge."""
