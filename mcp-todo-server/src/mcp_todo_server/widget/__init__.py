"""The task list as an MCP App: a page that hosts show beside an answer of `list_tasks`."""
