"""Leases: which process a running run belongs to, and for how long."""
