"""Idempotency keys: what makes sending a message twice the same as sending it once."""
