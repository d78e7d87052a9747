"""Usage: what users' runs cost, and how much of it they may use."""
