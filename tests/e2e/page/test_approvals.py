"""Tool calls that wait until the user has allowed them."""

import asyncio

import pytest
from playwright.async_api import Route, expect

from tests.e2e.page.chat import Chat
from tests.e2e.page.stage import Stage
from tests.support.openai_stub import Call, Calls, OpenAIStub, Say

pytestmark = pytest.mark.asyncio(loop_scope="module")

TASKS = [{"title": "Buy milk"}, {"title": "Buy bread"}]
DELETE_MILK = Call("delete_task", {"task_id": 1})


@pytest.fixture(scope="module")
def variables() -> dict[str, str]:
    """Deletions wait."""
    return {"TOOL_APPROVAL": "destructive"}


async def ask_to_delete(chat: Chat, stub: OpenAIStub) -> None:
    """Send a message whose answer waits for a decision."""
    stub.reply(DELETE_MILK)
    await chat.say("delete milk")
    await expect(chat.turns.last.get_by_role("button", name="Allow")).to_be_visible()


async def test_what_is_allowed_is_done(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(tasks=TASKS) as chat:
        await ask_to_delete(chat, stub)
        await expect(chat.turns.last.get_by_role("group", name="Your decision")).to_contain_text("Delete “Buy milk”")
        assert len(await chat.titles_on_server()) == 2
        stub.reply(Say("Deleted."))
        await chat.turns.last.get_by_role("button", name="Allow").click()
        await expect(chat.answer).to_contain_text("Deleted.")
        assert await chat.titles_on_server() == ["Buy bread"]
        await expect(chat.turns.last.get_by_role("button", name="Allow")).to_have_count(0)
        await expect(chat.turns).to_have_count(1)


async def test_the_task_is_named_as_it_is_called_now(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        stub.reply(Call("add_task", {"title": "Buy milk"}), Say("Added."))
        await chat.ask("add milk", "Added.")
        await expect(chat.cards).to_contain_text("Added “Buy milk”")
        await chat.call("update_task", task_id=1, title="Pay rent")
        read = asyncio.Event()

        async def wait(route: Route) -> None:
            if "get_task" in (route.request.post_data or ""):
                await read.wait()
            await route.continue_()

        await chat.page.route("**/tools/call", wait)
        await ask_to_delete(chat, stub)
        approvals = chat.turns.last.get_by_role("group", name="Your decision")
        await expect(approvals).to_contain_text("Delete task #1")
        read.set()
        await expect(approvals).to_contain_text("Delete “Pay rent”")


async def test_who_hears_the_page_is_told_what_is_asked(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(tasks=TASKS) as chat:
        await chat.listen()
        await ask_to_delete(chat, stub)
        told = await chat.told("permission")
        asked = [text for text in told if "permission" in text]
        assert asked == ["The assistant asks for your permission: Delete “Buy milk”."]


async def test_what_is_denied_is_not_done_and_the_model_is_told(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(tasks=TASKS) as chat:
        await ask_to_delete(chat, stub)
        stub.reply(Say("As you wish."))
        await chat.turns.last.get_by_role("button", name="Don’t").click()
        await expect(chat.answer).to_contain_text("As you wish.")
        assert await chat.titles_on_server() == ["Buy milk", "Buy bread"]
        [output] = [item for item in stub.requests[-1]["input"] if item.get("type") == "function_call_output"]
        assert "denied" in output["output"] or "not allow" in output["output"], output


async def test_a_reload_asks_again(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(tasks=TASKS) as chat:
        await ask_to_delete(chat, stub)
        await chat.page.reload()
        stub.reply(Say("Deleted."))
        await chat.turns.last.get_by_role("button", name="Allow").click()
        await expect(chat.answer).to_contain_text("Deleted.")
        await expect(chat.turns).to_have_count(1)
        assert await chat.titles_on_server() == ["Buy bread"]


async def test_a_decision_in_one_tab_is_seen_in_the_other(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(tasks=TASKS) as chat:
        await ask_to_delete(chat, stub)
        async with chat.tab() as other:
            await expect(other.turns.last.get_by_role("button", name="Allow")).to_be_visible()
            stub.reply(Say("Deleted."))
            await other.turns.last.get_by_role("button", name="Allow").click()
            await expect(other.answer).to_contain_text("Deleted.")
            await expect(chat.answer).to_contain_text("Deleted.")
            await expect(chat.turns.last.get_by_role("button", name="Allow")).to_have_count(0)


async def test_a_decision_that_comes_too_late_changes_nothing(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(tasks=TASKS, expected=("status of 409",)) as chat:
        await ask_to_delete(chat, stub)

        async def deny_before(route: Route) -> None:
            async with chat.api() as api:
                [run] = await api.runs(1)
                [pending] = run["pending_approvals"]
                decisions = [{"tool_call_id": pending["tool_call_id"], "approve": False}]
                denied = await api.http.post(
                    f"/api/{chat.user}/runs/{run['run_id']}/approvals", json={"decisions": decisions}
                )
            assert denied.status_code == 202
            await route.continue_()

        await chat.page.route("**/approvals", deny_before, times=1)
        stub.reply(Say("As you wish."))
        async with chat.page.expect_response("**/approvals") as answered:
            await chat.turns.last.get_by_role("button", name="Allow").click()
        assert (await answered.value).status == 409
        await expect(chat.answer).to_contain_text("As you wish.")
        await expect(chat.turns.last.get_by_role("button", name="Allow")).to_have_count(0)
        assert len(await chat.titles_on_server()) == 2


async def test_several_calls_are_decided_one_by_one(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(tasks=TASKS) as chat:
        stub.reply(Calls((DELETE_MILK, Call("delete_task", {"task_id": 2}))))
        await chat.say("delete both")
        approvals = chat.turns.last.get_by_role("group", name="Your decision")
        milk, bread = (approvals.get_by_role("radiogroup", name=f"Delete “Buy {what}”") for what in ("milk", "bread"))
        await milk.get_by_role("radio", name="Allow").check()
        await approvals.get_by_role("button", name="Confirm").click()
        await expect(approvals.get_by_role("alert")).to_have_text("One is not decided yet.")
        await bread.get_by_role("radio", name="Don’t").check()
        stub.reply(Say("One of them."))
        await approvals.get_by_role("button", name="Confirm").click()
        await expect(chat.answer).to_contain_text("One of them.")
        assert await chat.titles_on_server() == ["Buy bread"]


async def test_a_waiting_answer_can_be_stopped(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(tasks=TASKS) as chat:
        await ask_to_delete(chat, stub)
        await chat.button("Stop the answer").click()
        await expect(chat.turns.last.get_by_role("button", name="Allow")).to_have_count(0)
        await expect(chat.status).to_contain_text("Stopped.")
        assert len(await chat.titles_on_server()) == 2
        stub.reply(Say("Here."))
        await chat.ask("hello", "Here.")
