"""The floor: a turn on the bare Agents SDK. No HTTP in front, no database, nothing tuned.

`Runner.run_streamed`, the unmodified OpenAI client, and the todo server's tools over one shared MCP client with the
tool list cached.

Run as a program, it reads lines such as `turns 100` from standard input, takes that
many turns, and answers each line with the CPU seconds that they took; or, to `words 100`, takes turns without a tool
call and answers with the milliseconds until the first words of each.
"""

import asyncio
import json
import os
import sys
import time
from typing import Any

import httpx2
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    set_tracing_disabled,
)
from agents.mcp import MCPServer
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, GetPromptResult, ListPromptsResult, Tool
from openai import AsyncOpenAI


class SharedTodoServer(MCPServer):
    """The Agents SDK's own way to MCP tools, over a client that all turns share."""

    def __init__(self, client: Client) -> None:
        super().__init__(use_structured_content=True)
        self._client = client
        self._tools: list[Tool] | None = None

    @property
    def name(self) -> str:
        """A name for messages."""
        return "todo"

    async def connect(self) -> None:
        """Nothing to do: the client is open."""

    async def cleanup(self) -> None:
        """Nothing to do: the client outlives the turn."""

    async def list_tools(self, *_: Any, **__: Any) -> list[Tool]:
        """List once."""
        if self._tools is None:
            self._tools = list((await self._client.list_tools()).tools)
        return self._tools

    async def call_tool(
        self, tool_name: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None = None
    ) -> CallToolResult:
        """Call a tool."""
        return await self._client.call_tool(tool_name, arguments)

    async def list_prompts(self) -> ListPromptsResult:
        """None."""
        return ListPromptsResult(prompts=[])

    async def get_prompt(self, name: str, arguments: dict[str, Any] | None = None) -> GetPromptResult:
        """None."""
        raise KeyError(name)


async def turn(agent: Agent[None], message: str, config: RunConfig) -> float:
    """Take a turn; returns the milliseconds until its first words."""
    began = time.perf_counter()
    first_words = 0.0
    result = Runner.run_streamed(agent, message, run_config=config)
    async for event in result.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta" and not first_words:
            first_words = (time.perf_counter() - began) * 1000
    assert result.final_output == "Done.", result.final_output
    return first_words


async def main(wire: str, model_url: str, mcp_url: str, token: str, instructions: str) -> None:
    """Serve the lines of standard input."""
    set_tracing_disabled(True)
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(mcp_url, http_client=http), mode="2026-07-28") as client,
        AsyncOpenAI(api_key="none", base_url=model_url) as openai,
    ):
        kind = OpenAIResponsesModel if wire == "responses" else OpenAIChatCompletionsModel
        agent = Agent(
            name="Todo assistant",
            instructions=instructions,
            model=kind(model="stub", openai_client=openai),
            mcp_servers=[SharedTodoServer(client)],
            model_settings=ModelSettings(include_usage=True),
        )
        config = RunConfig(tracing_disabled=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            what, count = line.split()
            before = time.process_time()
            first_words = []
            for _ in range(int(count)):
                message = "say hello" if what == "words" else "add a task to buy milk"
                first_words.append(await turn(agent, message, config))
            print(json.dumps(first_words) if what == "words" else time.process_time() - before, flush=True)


if __name__ == "__main__":
    wire, model_url, mcp_url, token = sys.argv[1:]
    asyncio.run(main(wire, model_url, mcp_url, token, os.environ["INSTRUCTIONS"]))
