"""What holds for all unit tests."""

from hypothesis import settings

# Hypothesis would else give each example 0.2 s, which a busy machine may hold any of them up for.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
