"""The journal: the durable log of runs. Model responses, tool calls, and the events that clients read."""
