"""Upkeep: what is done for all users at once, and so the one place whose statements name none."""
