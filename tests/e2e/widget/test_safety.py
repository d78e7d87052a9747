"""What the task list withstands: hostile text, lost answers, hosts that can do less, and its own strict policy."""

import asyncio
import json
from typing import Any

import pytest
from mcp.types import TextResourceContents
from mcp_todo_server.widget.page import RESOURCE_URI
from playwright.async_api import expect
from starlette.responses import Response

from tests.e2e.widget.conftest import Stage, Widget
from tests.e2e.widget.site import Forward, ToolCall
from tests.integration.mcp_todo_server.conftest import mcp_client
from tests.support.tokens import mcp_token
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNREACHABLE = "status of 503"
"""What the browser says of an answer that a test kept from it."""
OUT_OF_DATE: dict[str, Any] = {"content": [], "structuredContent": {}}
"""A result that holds no tasks: the list is to be read anew."""
COUNT_ALERTS = """() => {
    window.alerts = 0;
    const seen = (records) => { alerts += records.filter((record) => record.addedNodes.length > 0).length; };
    new MutationObserver(seen).observe(document.querySelector(".failed"), {childList: true});
}"""
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(2)</script>",
    "</script><script>alert(3)</script>",
    '"><svg onload=alert(4)>',
    "' onfocus='alert(5)' autofocus='",
    "<a href=javascript:alert(6)>click</a>",
    "{{constructor.constructor('alert(7)')()}}",
    "<style>*{display:none}</style>",
    "<iframe srcdoc='<script>alert(8)</script>'>",
    "<b>bold</b> &amp; &lt;i&gt;",
]


async def test_text_of_tasks_is_shown_as_it_is_and_never_becomes_part_of_the_page(stage: Stage) -> None:
    tasks = [{"title": text, "description": text, "tags": [text]} for text in HOSTILE]
    async with stage.widget(*tasks) as widget:
        dialogs: list[str] = []
        widget.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        await expect(widget.box(HOSTILE[-1])).to_be_visible()
        assert await widget.titles("No date") == HOSTILE
        assert await widget.frame.locator(".details").all_inner_texts() == HOSTILE
        assert await widget.frame.locator(".tag").all_inner_texts() == [f"#{text}" for text in HOSTILE]
        for text in HOSTILE[:3]:
            await widget.button(f"Edit {text}").click()
            await expect(widget.frame.get_by_label("Title")).to_have_value(text)
            await widget.button("Cancel").click()
            await widget.box(text).click()
            await expect(widget.status).to_contain_text("Completed")
        await widget.row(HOSTILE[4]).locator(".tag").click()
        await expect(widget.frame.locator(".chip")).to_contain_text(HOSTILE[4])
        markup = "main script, main style, main iframe, main img, main a, main [onfocus], main [onload], main b"
        await expect(widget.frame.locator(markup)).to_have_count(0)
        assert dialogs == []


async def test_a_refusal_with_markup_in_it_is_shown_as_text(stage: Stage) -> None:
    async with stage.widget({"title": "Buy milk"}) as widget:
        markup = "<img src=x onerror=alert(1)>"
        refusal = {"content": [{"type": "text", "text": markup}], "isError": True}
        await widget.host("bridge.sendToolResult(argument)", refusal)
        await expect(widget.alert).to_contain_text(f"The tasks could not be listed: {markup}")
        await expect(widget.frame.locator("img")).to_have_count(0)


async def test_the_page_asks_for_nothing_and_breaks_no_policy(stage: Stage) -> None:
    async with stage.widget({"title": "Buy milk", "tags": ["home"]}) as widget:
        await widget.box("Buy milk").click()
        await widget.button("Undo").click()
        await widget.button("Edit Buy milk").click()
        await widget.button("Cancel").click()
        await widget.button("Refresh").click()
        await expect(widget.status).to_have_text("The list is up to date.")
        site = stage.site.base_url
        addresses = {address.removeprefix(site).partition("?")[0] for address in widget.requests}
        assert addresses <= {"/", "/host.js", "/host.css", "/tasks", "/mcp", "data:,"}
        asked_by_page = await widget.frame.evaluate("performance.getEntriesByType('resource').map(({name}) => name)")
        assert asked_by_page == []
        assert await widget.frame.evaluate("self.origin") == "null"


async def test_the_policy_lets_nothing_but_the_page_itself_in(stage: Stage) -> None:
    async with stage.widget(expected=("Content Security Policy",)) as widget:
        injected = """() => {
            const script = document.createElement("script");
            script.textContent = "window.injected = true";
            document.body.append(script);
            return window.injected ?? false;
        }"""
        assert await widget.frame.evaluate(injected) is False
        fetched = "fetch('/mcp').then(() => 'fetched', () => 'refused')"
        assert await widget.frame.evaluate(fetched) == "refused"
        await until(lambda: any("script-src" in complaint for complaint in widget.complaints))


async def test_messages_of_other_windows_are_not_listened_to(stage: Stage) -> None:
    forged = """() => {
        const result = {structuredContent: {tasks: [], today: "2026-01-01", timezone: "UTC"}, content: []};
        window.postMessage({jsonrpc: "2.0", method: "ui/notifications/tool-result", params: result}, "*");
        return new Promise((resolve) => setTimeout(resolve, 200));
    }"""
    async with stage.widget({"title": "Buy milk"}) as widget:
        await expect(widget.box("Buy milk")).to_be_visible()
        await widget.frame.evaluate(forged)
        await expect(widget.box("Buy milk")).to_be_visible()


@pytest.mark.parametrize("by", ["button", "enter"])
async def test_a_call_whose_answer_was_lost_is_sent_again_and_done_once(stage: Stage, by: str) -> None:
    async with stage.widget(expected=(UNREACHABLE,)) as widget:

        async def lose_answer(call: ToolCall, forward: Forward) -> Response:
            answer = await forward()
            return Response(status_code=503) if call.name == "add_task" else answer

        stage.site.fault = lose_answer
        new = widget.frame.get_by_label("New task", exact=True)
        await new.fill("Buy milk")
        await new.press("Enter")
        await expect(widget.alert).to_contain_text(
            "Could not add \u2068“Buy milk”\u2069: the todo server gave no answer"
        )
        await expect(new).to_have_value("Buy milk")
        stage.site.fault = None
        if by == "enter":
            await new.press("Enter")
        else:
            await widget.button("Try again").click()
        await expect(widget.box("Buy milk")).to_be_visible()
        await expect(widget.alert).to_have_count(0)
        await expect(new).to_have_value("")
        assert len((await widget.call("list_tasks", status="all"))["tasks"]) == 1
        keys = [call.effect_key for call in stage.site.calls if call.user == widget.user and call.name == "add_task"]
    assert len(keys) == 2
    assert keys[0] == keys[1] is not None


async def test_a_task_that_is_written_twice_is_added_twice(stage: Stage) -> None:
    async with stage.widget() as widget:
        new = widget.frame.get_by_label("New task", exact=True)
        for count in (1, 2):
            await new.fill("Buy milk")
            await new.press("Enter")
            await expect(widget.box("Buy milk")).to_have_count(count)


async def test_an_edit_whose_answer_was_lost_is_saved_once(stage: Stage) -> None:
    async with stage.widget({"title": "Buy milk"}, expected=(UNREACHABLE,)) as widget:

        async def lose_answer(call: ToolCall, forward: Forward) -> Response:
            answer = await forward()
            return Response(status_code=503) if call.name == "update_task" else answer

        await widget.settled()
        stage.site.fault = lose_answer
        await widget.button("Edit Buy milk").click()
        await widget.frame.get_by_label("Title").fill("Buy oat milk")
        await widget.button("Save").click()
        await expect(widget.alert).to_contain_text("Perhaps not saved")
        stage.site.fault = None
        await widget.button("Save").click()
        await expect(widget.box("Buy oat milk")).to_be_visible()
        assert (await widget.task(1))["version"] == 2


async def test_what_a_conversation_kept_of_old_is_compared_with_now(stage: Stage) -> None:
    async with stage.widget({"title": "Buy milk"}, {"title": "Call Ada"}) as widget:
        await widget.settled()
        first = [call.name for call in stage.site.calls if call.user == widget.user]
        # The model's own call, and the page's.
        assert first == ["list_tasks", "list_tasks"]
        old = await widget.host("client.callTool(argument)", {"name": "list_tasks", "arguments": {}})
        await widget.call("complete_task", task_id=1)
        await widget.page.reload()
        await widget.page.evaluate("(result) => { host.answer = () => host.bridge.sendToolResult(result); }", old)
        await widget.page.evaluate("(options) => host.open(options)", {"user": widget.user})
        widget.frame = widget.page.frames[1]
        await expect(widget.box("Buy milk")).to_have_count(0)
        await expect(widget.box("Call Ada")).to_be_visible()


@pytest.mark.parametrize(("answer", "status"), [("accept", "deleted"), ("decline", "open")])
async def test_the_person_asked_before_a_deletion_decides(stage: Stage, answer: str, status: str) -> None:
    async with stage.widget({"title": "Buy milk"}, person=answer) as widget:
        await widget.button("Delete Buy milk").click()
        if answer == "accept":
            await expect(widget.status).to_contain_text("Deleted")
        else:
            await expect(widget.alert).to_contain_text("Could not delete \u2068“Buy milk”\u2069")
            await expect(widget.box("Buy milk")).to_be_visible()
        assert (await widget.task(1))["status"] == status
        assert len(await widget.host("questions")) == 1


async def test_changes_are_made_in_the_order_in_which_the_user_made_them(stage: Stage) -> None:
    async with stage.widget({"title": "Buy milk"}, args={"status": "all"}) as widget:
        await widget.settled()

        async def slow_first(call: ToolCall, forward: Forward) -> Response:
            if call.name == "complete_task":
                await asyncio.sleep(0.5)
            return await forward()

        stage.site.fault = slow_first
        for _ in range(3):
            await widget.box("Buy milk").click()
        await expect(widget.box("Buy milk")).to_be_checked()
        assert (await widget.task(1))["status"] == "completed"
        await expect(widget.box("Buy milk")).to_be_checked()
    changes = [call.name for call in stage.site.calls if call.user == widget.user and call.name != "list_tasks"]
    assert changes == ["complete_task", "reopen_task", "complete_task"]


async def test_a_host_that_passes_no_calls_on_shows_the_list_alone(stage: Stage) -> None:
    async with stage.widget({"title": "Buy milk", "tags": ["home"]}, capabilities={}) as widget:
        await expect(widget.box("Buy milk")).to_be_disabled()
        await expect(widget.button("Edit Buy milk")).to_be_hidden()
        await expect(widget.button("Refresh")).to_be_hidden()
        await expect(widget.frame.get_by_label("New task", exact=True)).to_be_hidden()
    assert [call.name for call in stage.site.calls if call.user == widget.user] == ["list_tasks"]


async def test_a_list_that_could_not_be_read_is_said_and_read_on_demand(stage: Stage) -> None:
    async with stage.widget({"title": "Buy milk"}, args={"limit": 1000}) as widget:
        await expect(widget.alert).to_contain_text("The tasks could not be listed: limit must be")
        await widget.button("Try again").click()
        await expect(widget.box("Buy milk")).to_be_visible()
        await widget.host("bridge.sendToolCancelled({reason: 'stopped'})")
        await expect(widget.alert).to_contain_text("the call was stopped")
        await widget.button("Dismiss").click()
        await expect(widget.alert).to_have_count(0)


async def test_a_host_that_says_that_something_changed_has_the_list_read_and_nothing_unsaid(stage: Stage) -> None:
    async with stage.widget({"title": "Buy milk"}, {"title": "Call Ada"}, expected=(UNREACHABLE,)) as widget:
        await widget.box("Buy milk").click()
        await expect(widget.status).to_contain_text("Completed")
        await widget.call("add_task", title="Buy bread")
        await widget.host("bridge.sendToolResult(argument)", OUT_OF_DATE)
        await expect(widget.box("Buy bread")).to_be_visible()
        await expect(widget.status).to_contain_text("Completed")

        async def unreachable(_call: ToolCall, _forward: Forward) -> Response:
            return Response(status_code=503)

        stage.site.fault = unreachable
        await widget.frame.evaluate(COUNT_ALERTS)
        for _ in range(3):
            await widget.host("bridge.sendToolResult(argument)", OUT_OF_DATE)
            await expect(widget.alert).to_contain_text("Could not read the tasks: the todo server gave no answer")
            await widget.settled()
        assert await widget.frame.evaluate("alerts") == 1, "what goes on failing is read out once"
        stage.site.fault = None
        await widget.host("bridge.sendToolResult(argument)", OUT_OF_DATE)
        await expect(widget.alert).to_have_count(0)

        stage.site.fault = unreachable
        await widget.box("Call Ada").click()
        await expect(widget.alert).to_contain_text("Could not complete")
        stage.site.fault = None
        await widget.host("bridge.sendToolResult(argument)", OUT_OF_DATE)
        await widget.settled()
        await expect(widget.alert).to_contain_text("Could not complete")
        await widget.button("Try again").click()
        await expect(widget.box("Call Ada")).to_have_count(0)


async def test_text_alone_is_enough_of_an_answer(stage: Stage) -> None:
    task = {"task_id": 9, "title": "Told in text", "status": "open", "priority": "normal", "version": 1}
    page = json.dumps({"tasks": [task], "today": "2026-01-01", "timezone": "UTC"})
    async with stage.widget(capabilities={}) as widget:
        await widget.host("bridge.sendToolResult(argument)", {"content": [{"type": "text", "text": page}]})
        await expect(widget.box("Told in text")).to_be_visible()


async def test_it_works_in_the_older_era_of_the_protocol_too(stage: Stage) -> None:
    # The library's client looks for an event stream there, which a stateless server does not have.
    async with stage.widget({"title": "Buy milk"}, era="legacy", expected=("status of 405",)) as widget:
        await widget.box("Buy milk").click()
        await expect(widget.status).to_contain_text("Completed")
        assert (await widget.task(1))["status"] == "completed"


async def test_the_host_hears_of_the_height_and_can_show_the_full_screen(stage: Stage) -> None:
    context = {"availableDisplayModes": ["inline", "fullscreen"], "displayMode": "inline"}
    async with stage.widget({"title": "Buy milk"}, context=context) as widget:
        await widget.settled()
        before = await widget.frame.evaluate("Math.ceil(document.documentElement.getBoundingClientRect().height)")
        await widget.page.wait_for_function("(height) => host.heights.at(-1) === height", arg=before)
        for number in range(5):
            await widget.call("add_task", title=f"Task {number}")
        await widget.button("Refresh").click()
        await expect(widget.box("Task 4")).to_be_visible()
        await expect_taller(widget, before)
        full = widget.frame.get_by_role("button", name="Full screen")
        await expect(full).to_have_attribute("aria-pressed", "false")
        await full.click()
        await expect(full).to_have_attribute("aria-pressed", "true")
        assert (await widget.host("context"))["displayMode"] == "fullscreen"


async def expect_taller(widget: Widget, height: int) -> None:
    """Wait until the host has heard of a greater height."""
    await widget.page.wait_for_function("(height) => host.heights.at(-1) > height", arg=height)


async def test_the_host_may_ping_and_take_the_page_away(stage: Stage) -> None:
    async with stage.widget({"title": "Buy milk"}) as widget:
        assert await widget.host("bridge.teardownResource({})") == {}
        assert await widget.host("bridge.request({method: 'ping'})") == {}
        unknown = "(() => host.bridge.callTool({name: 'x'}).catch((error) => error.code))()"
        assert await widget.page.evaluate(unknown) == -32601


async def test_the_resource_says_what_it_is_and_needs(stage: Stage) -> None:
    async with mcp_client(stage.service.mcp_url, mcp_token("ann")) as client:
        tools = {tool.name: tool.meta for tool in (await client.list_tools()).tools}
        assert tools.pop("list_tasks") == {"ui": {"resourceUri": RESOURCE_URI}}
        assert set(tools.values()) == {None}
        listed = {str(resource.uri): resource for resource in (await client.list_resources()).resources}[RESOURCE_URI]
        [content] = (await client.read_resource(RESOURCE_URI)).contents
        capabilities = client.server_capabilities
    needs: dict[str, Any] = {
        "ui": {
            "csp": {"connectDomains": [], "resourceDomains": [], "frameDomains": [], "baseUriDomains": []},
            "prefersBorder": True,
        }
    }
    assert isinstance(content, TextResourceContents)
    assert (listed.mime_type, listed.meta) == ("text/html;profile=mcp-app", needs)
    assert (content.mime_type, content.meta) == ("text/html;profile=mcp-app", needs)
    assert "io.modelcontextprotocol/ui" in (capabilities.extensions or {})
