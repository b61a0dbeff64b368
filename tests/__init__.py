"""Tests of smartmob."""

from hypothesis import settings

# How long an example takes is up to what else the machine does.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
