"""Statistics against the peers: the same numbers, the time a resample, memory, and cases on which others fail open."""
