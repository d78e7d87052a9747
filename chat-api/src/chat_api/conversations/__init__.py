"""Conversations and their messages: what a user and the assistant have said to each other."""
