"""The todo server takes no more of a user's calls: the run fails cleanly, and goes on where it was."""

import time

from tests.integration.chat_api.conftest import as_user
from tests.support.databases import NewDatabase
from tests.support.problems import problem
from tests.support.services import running_chat_api, running_todo_server


async def test_a_run_over_the_limit_fails_at_once_and_is_continued_without_a_second_task(
    new_database: NewDatabase,
) -> None:
    async with (
        # The one request that is let through asks for the tools.
        running_todo_server(new_database("sqlite"), CALLS_PER_MINUTE="1") as todo,
        running_chat_api(new_database("sqlite"), todo.mcp_url, TOOL_TIMEOUT_SECONDS="30") as chat,
        as_user(chat, "ann") as ann,
        as_user(chat, "bob") as bob,
    ):
        started = time.monotonic()
        failed = problem(await ann.send("Add a task to buy milk"), 503, "todo-server-unavailable")
        assert time.monotonic() - started < 25
        assert failed["detail"].startswith("The todo list takes no more calls this minute. Try again in a minute.")
        run = await ann.read(f"runs/{failed['run_id']}")
        assert (run["status"], run["error"]["type"]) == ("failed", "todo-server-unavailable")
        # Only ann has reached a limit.
        assert (await bob.say("Add a task to call the bank"))["status"] == "completed"

        todo.environment["CALLS_PER_MINUTE"] = "100"
        await todo.stop()
        await todo.restart()
        retried = await ann.http.post(f"/api/ann/runs/{failed['run_id']}/retry")
        assert retried.status_code == 200, retried.text
        assert [call["tool_name"] for call in retried.json()["tool_calls"]] == ["add_task"]
        listed = await ann.say("show my tasks", failed["conversation_id"])
        (call,) = listed["tool_calls"]
        assert len(call["result"]["tasks"]) == 1
