"""Runs: one message from a user, the work that it set off, and what came of it."""
