"""Alembic migrations of this service's schema."""
