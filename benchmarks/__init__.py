"""Measurements of speed and of other programs; never part of the distribution."""
