"""chat-api: conversations, messages and runs, and the agent that manages tasks over MCP."""
