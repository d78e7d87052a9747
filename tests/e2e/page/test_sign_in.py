"""How the page comes by a token, and that it keeps it to itself."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Request, Route, expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route as Served

from tests.e2e.page.chat import Chat
from tests.e2e.page.stage import Stage, running_stage, sign_in
from tests.support.asgi import served
from tests.support.openai_stub import OpenAIStub, Say
from tests.support.tokens import user_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNAUTHORIZED: Final = ("status of 401",)
PARENT: Final = """<!doctype html><title>A front end</title><link rel="icon" href="data:,">
<iframe src="{page}" width="1000" height="700"></iframe>
<script>
  const heard = [];
  addEventListener("message", ({ data, origin, source }) => {
    heard.push({ data, origin });
    if (data?.type === "todo-chat:token-needed") window.token = given.get("next");
    const answer = { type: "todo-chat:token", token: window.token };
    if (String(data?.type).startsWith("todo-chat:") && window.token) source.postMessage(answer, origin);
  });
  const given = new URLSearchParams(location.hash.slice(1));
  window.token = given.get("token");
</script>"""
OPENER: Final = """<!doctype html><title>Somebody else</title><link rel="icon" href="data:,">
<script>
  const heard = [];
  addEventListener("message", ({ data }) => heard.push(data));
  const opened = open("{page}");
  setInterval(() => opened?.postMessage({ type: "todo-chat:token", token: window.token }, "*"), 50);
</script>"""


@dataclass(frozen=True)
class Framing:
    """A page that one of two others may show in a frame."""

    stage: Stage
    friend: str
    stranger: str


@asynccontextmanager
async def site(html: str, page: str) -> AsyncIterator[str]:
    """Serve one page of an origin of its own that shows or opens chat-api's."""
    body = html.replace("{page}", page)
    async with served(Starlette(routes=[Served("/", lambda _: HTMLResponse(body))])) as address:
        yield address


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def framing(
    browser: Browser, module_stub: OpenAIStub, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Framing]:
    """A page without a cookie, which the front end may show in a frame, and a stranger may not."""
    async with (
        running_stage(browser, module_stub, tmp_path_factory.mktemp("framing"), TOKEN_COOKIE="") as stage,
        site(PARENT, stage.chat.base_url) as friend,
        site(PARENT, stage.chat.base_url) as stranger,
    ):
        # Each has to know the other's address, so the page's service is started once more, on its port.
        await stage.chat.stop()
        stage.chat.environment["CORS_ORIGINS"] = friend
        await stage.chat.restart()
        yield Framing(stage, friend, stranger)


async def keeps_no_token(chat: Chat, token: str) -> None:
    """See that the token stands nowhere but in the page's memory."""
    stored: str = await chat.page.evaluate(
        "JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])"
    )
    signature = token.rpartition(".")[2]
    assert signature not in stored
    assert not [address for address in chat.watch.requests if signature in address]
    assert signature not in chat.page.url


async def greet(chat: Chat, stub: OpenAIStub) -> None:
    """See that the page works: a message is answered."""
    stub.reply(Say("Hello."))
    await chat.ask("hello", "Hello.")


async def test_the_cookie_of_the_front_end_is_used(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        await greet(chat, stub)
        [cookie] = await chat.page.context.cookies()
        await keeps_no_token(chat, str(cookie["value"]))


async def test_without_a_cookie_the_page_says_what_to_do(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(token="", expected=UNAUTHORIZED) as chat:
        await expect(chat.page.get_by_role("heading", name="Sign in to go on")).to_be_visible()
        await expect(chat.page.get_by_text("Sign in to your application in this browser")).to_be_visible()
        await expect(chat.composer).to_be_hidden()
        await sign_in(chat.page.context, stage.chat.base_url, user_token(chat.user))
        await chat.button("Try again").click()
        await expect(chat.composer).to_be_visible()
        await greet(chat, stub)


async def test_coming_back_from_signing_in_is_enough(stage: Stage) -> None:
    async with stage.visit(token="", expected=UNAUTHORIZED) as chat:
        await expect(chat.page.get_by_role("heading", name="Sign in to go on")).to_be_visible()
        await sign_in(chat.page.context, stage.chat.base_url, user_token(chat.user))
        await chat.look()
        await expect(chat.composer).to_be_visible()


async def test_coming_back_in_vain_keeps_the_reason(stage: Stage) -> None:
    async with stage.visit(path=None, token="", expected=UNAUTHORIZED) as chat:
        expired = user_token(chat.user, lifetime_seconds=-60)

        async def give_expired(route: Route) -> None:
            await route.fulfill(json={"user_id": chat.user, "token": expired})

        await chat.page.route("**/token", give_expired, times=1)
        await chat.page.goto("/")
        reason = chat.page.locator(".sign-in .reason")
        await expect(reason).to_be_visible()
        words = await reason.inner_text()
        async with chat.page.expect_response("**/token"):
            await chat.look()
        # So long that it would be gone.
        await chat.page.wait_for_timeout(300)
        await expect(reason).to_have_text(words)


async def test_an_answer_of_something_in_between_is_no_token(stage: Stage) -> None:
    async with stage.visit(path=None) as chat:
        await chat.page.route("**/token", lambda route: route.fulfill(content_type="text/html", body="<p>Wait</p>"))
        await chat.page.goto("/")
        await expect(chat.page.get_by_role("heading", name="Sign in to go on")).to_be_visible()
        await expect(chat.page.locator(".sign-in .reason")).to_contain_text("The connection was lost")
        await chat.page.unroute("**/token")
        await chat.look()
        await expect(chat.composer).to_be_visible()


async def test_nothing_of_one_user_is_sent_with_the_token_of_the_next(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(expected=UNAUTHORIZED) as chat:
        ann, other = user_token(chat.user), user_token("bob")
        of_ann: list[str | None] = []

        def note(request: Request) -> None:
            if f"/api/{chat.user}/" in request.url:
                of_ann.append(request.headers.get("authorization"))

        async def expire(route: Route) -> None:
            await route.fulfill(status=401, content_type="application/problem+json", json={"type": "unauthenticated"})

        chat.page.on("request", note)
        await chat.page.route("**/chat", expire, times=1)
        await sign_in(chat.page.context, stage.chat.base_url, other)
        await chat.say("for Ann alone")
        await expect(chat.turns).to_have_count(0)
        await sign_in(chat.page.context, stage.chat.base_url, ann)
        stub.reply(Say("Yes."))
        await chat.page.reload()
        await expect(chat.questions).to_have_text(["for Ann alone"])
        await expect(chat.answer).to_have_text("Yes.")
        assert f"Bearer {ann}" in of_ann
        assert f"Bearer {other}" not in of_ann


async def test_a_bad_cookie_is_no_way_in(stage: Stage) -> None:
    forged = user_token("ann", secret="another-secret-of-the-tests-0123456789")
    async with stage.visit("ann", token=forged, expected=UNAUTHORIZED) as chat:
        await expect(chat.page.get_by_role("heading", name="Sign in to go on")).to_be_visible()


async def test_an_expired_token_is_replaced_by_the_cookies_new_one(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit(token="", expected=UNAUTHORIZED) as chat:
        expired = user_token(chat.user, lifetime_seconds=-60)

        async def give_expired(route: Route) -> None:
            await route.fulfill(json={"user_id": chat.user, "token": expired})

        await sign_in(chat.page.context, stage.chat.base_url, user_token(chat.user))
        await chat.page.route("**/token", give_expired, times=1)
        await chat.page.reload()
        await greet(chat, stub)


async def test_a_pasted_token_lasts_as_long_as_the_page(framing: Framing, stub: OpenAIStub) -> None:
    async with framing.stage.visit(token="") as chat:
        field = chat.page.get_by_label("Token", exact=True)
        await field.fill("not a token")
        await field.press("Enter")
        await expect(chat.page.get_by_text("This is no token")).to_be_visible()
        token = user_token(chat.user)
        await field.fill(token)
        await chat.button("Use this token").click()
        await greet(chat, stub)
        await keeps_no_token(chat, token)
        await expect(field).to_be_hidden()
        # Another page would have no token.
        await expect(chat.page.get_by_role("link", name="Details of the answer")).to_have_count(0)
        await chat.page.reload()
        await expect(field).to_be_visible()


async def test_a_pasted_token_that_is_refused_is_asked_for_again(framing: Framing, stub: OpenAIStub) -> None:
    async with framing.stage.visit(token="", expected=UNAUTHORIZED) as chat:
        field = chat.page.get_by_label("Token", exact=True)
        await field.fill(user_token(chat.user, lifetime_seconds=-60))
        await field.press("Enter")
        # Until the service has refused it, the token seems to be good.
        await expect(chat.page.locator(".sign-in .reason")).to_be_visible()
        await expect(field).to_have_value("")
        await field.fill(user_token(chat.user))
        await field.press("Enter")
        await greet(chat, stub)


async def test_the_demo_renews_its_token_by_itself(browser: Browser, stub: OpenAIStub, tmp_path: Path) -> None:
    async with (
        running_stage(browser, stub, tmp_path, DEMO_MODE="1", TOKEN_COOKIE="") as stage,
        stage.visit("demo", token="", expected=UNAUTHORIZED) as chat,
    ):
        expired = user_token("demo", lifetime_seconds=-60)

        async def give_expired(route: Route) -> None:
            await route.fulfill(json={"user_id": "demo", "token": expired})

        await chat.page.route("**/demo/token", give_expired, times=1)
        await chat.page.reload()
        await greet(chat, stub)


async def test_a_front_end_hands_its_token_to_the_page_in_its_frame(framing: Framing, stub: OpenAIStub) -> None:
    async with framing.stage.visit(token="", path=None) as chat:
        chat.watch.allow(framing.friend)
        token = user_token(chat.user)
        await chat.page.goto(f"{framing.friend}/#token={token}")
        inside = chat.page.frame_locator("iframe").first
        await inside.get_by_role("textbox", name="Message", exact=True).fill("hello")
        stub.reply(Say("Hello."))
        await inside.get_by_role("button", name="Send").click()
        await expect(inside.get_by_text("Hello.", exact=True)).to_be_visible()
        heard = await chat.page.evaluate("heard")
        assert {said["data"]["type"] for said in heard} == {"todo-chat:ready"}
        assert {said["origin"] for said in heard} == {framing.stage.chat.base_url}
        assert token.rpartition(".")[2] not in json.dumps(heard)


async def test_in_a_frame_details_open_in_place_and_lead_back(framing: Framing, stub: OpenAIStub) -> None:
    async with framing.stage.visit(token="", path=None) as chat:
        chat.watch.allow(framing.friend)
        await chat.page.goto(f"{framing.friend}/#token={user_token(chat.user)}")
        inside = chat.page.frame_locator("iframe").first
        await inside.get_by_role("textbox", name="Message", exact=True).fill("hello")
        stub.reply(Say("Hello."))
        await inside.get_by_role("button", name="Send").click()
        await inside.get_by_role("link", name="Details of the answer").click()
        await expect(inside.get_by_role("table", name="Steps")).to_be_visible()
        await inside.get_by_role("link", name="Back to the conversation").click()
        await expect(inside.get_by_text("Hello.", exact=True)).to_be_visible()
        assert len(chat.page.context.pages) == 1


async def test_details_open_beside_the_page_where_the_cookie_is(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        await greet(chat, stub)
        async with chat.page.expect_popup() as opened:
            await chat.page.get_by_role("link", name="Details of the answer").click()
        beside = await opened.value
        await expect(beside.get_by_role("table", name="Steps")).to_be_visible()


async def test_a_new_token_is_asked_for_when_the_old_one_is_refused(framing: Framing, stub: OpenAIStub) -> None:
    async with framing.stage.visit(token="", path=None, expected=UNAUTHORIZED) as chat:
        chat.watch.allow(framing.friend)
        expired, good = user_token(chat.user, lifetime_seconds=-60), user_token(chat.user)
        await chat.page.goto(f"{framing.friend}/#token={expired}&next={good}")
        inside = chat.page.frame_locator("iframe").first
        await inside.get_by_role("textbox", name="Message", exact=True).fill("hello")
        stub.reply(Say("Hello."))
        await inside.get_by_role("button", name="Send").click()
        await expect(inside.get_by_text("Hello.", exact=True)).to_be_visible()
        heard = await chat.page.evaluate("heard")
        assert {said["data"]["type"] for said in heard} == {"todo-chat:ready", "todo-chat:token-needed"}


async def test_a_stranger_cannot_frame_the_page(framing: Framing) -> None:
    async with framing.stage.visit(token="", path=None, expected=("frame-ancestors",)) as chat:
        chat.watch.allow(framing.stranger)
        async with chat.page.expect_console_message(lambda message: "frame-ancestors" in message.text):
            await chat.page.goto(f"{framing.stranger}/#token={user_token(chat.user)}")
        assert await chat.page.evaluate("heard") == []
        assert await chat.page.frames[1].locator("#app").count() == 0


async def test_a_page_that_opened_this_one_can_hand_nothing_over(stage: Stage) -> None:
    async with (
        site(OPENER, f"{stage.chat.base_url}/") as stranger,
        stage.visit(token="", path=None, expected=UNAUTHORIZED) as chat,
    ):
        chat.watch.allow(stranger)
        async with chat.page.expect_popup() as opened:
            await chat.page.goto(stranger)
            await chat.page.evaluate("(token) => (window.token = token)", user_token(chat.user))
        popup = await opened.value
        await expect(popup.get_by_role("heading", name="Sign in to go on")).to_be_visible()
        assert await popup.evaluate("window.opener") is None
        assert await chat.page.evaluate("heard") == []
