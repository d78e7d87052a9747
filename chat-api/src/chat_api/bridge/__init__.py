"""The user's own tasks for a page: calls of tools and reads of resources are passed to the todo server over MCP."""
