"""Tasks as MCP resources: what a client shows and reads without a tool call."""
