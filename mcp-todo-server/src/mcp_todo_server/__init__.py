"""mcp-todo-server: a standalone MCP server that owns todo tasks."""
