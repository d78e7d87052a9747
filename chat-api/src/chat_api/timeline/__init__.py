"""Timelines: what a run did, step by step, with the times that were measured while it was at work."""
