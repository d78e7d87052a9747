"""The agent: one turn of a conversation, from the user's words to the assistant's.

This package alone meets the Agents SDK, the OpenAI client and MCP. What it takes and gives is plain data
(`agent.turn`), and what can go wrong has names (`agent.errors`).
"""
