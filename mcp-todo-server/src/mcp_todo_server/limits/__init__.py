"""How many calls a user may send, and the answer to one too many."""
