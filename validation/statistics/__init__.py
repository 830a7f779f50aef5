"""Simulations of every statistical method: coverage, errors of either tail, type-I error and power.

`python -m validation.statistics` runs them, writes `validation/statistics/results.json` and the tables of
`docs/statistics.md`. The tests run a few repeats of each and read the stored results.
"""
