"""What chat-api and mcp-todo-server must agree on, and nothing else.

* `tokens`, `jwks`: who a caller is, and how one service proves it to the other.
* `tasks`: the tasks' wire schemas, as the tools of mcp-todo-server answer with them.
* `effects`: the name under which a tool call carries its effect key.
"""
