"""The AG-UI endpoint: front ends made for that protocol talk to the assistant as they are."""
