"""Tasks: their tables, their rules, and the MCP tools over them."""
