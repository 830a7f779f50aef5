"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# A time limit an example makes tests fail on a busy machine, and random examples make them fail on a lucky day only.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")
