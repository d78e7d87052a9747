"""Hostile text, wherever it can come from: nothing of it runs, is loaded, or becomes part of the page."""

import json
import uuid
from typing import Final

import httpx
import pytest
from playwright.async_api import Dialog, Route, expect
from playwright.async_api import Error as PlaywrightError

from tests.e2e.page.chat import Chat
from tests.e2e.page.payloads import MARKDOWN, TEXTS
from tests.e2e.page.seeding import Past, seed
from tests.e2e.page.stage import Stage
from tests.integration.chat_api.conftest import REQUEST_SECONDS
from tests.support.openai_stub import Call, Calls, OpenAIStub, Say
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

HARM_MS: Final = (1_000, 10_000)
"""Longest that a sample is given to do harm, and once more where a busy machine has left too few the time for it."""
PART: Final = 20
"""Samples in one conversation: a page reads at least as many turns at once."""
MARKS: Final = """() => {
  const foreign = "script, style, link, meta, base, iframe, object, embed, form, input, textarea, img, svg, math, " +
    "video, audio, picture, source, template, noscript, [style], [id], [name], [class*='evil'], [srcdoc], [ping]";
  const answers = [...document.querySelectorAll(".markdown, .question .words, .card")];
  const own = (element) => element.closest("button, .icon, svg");
  const elements = answers.flatMap((answer) => [...answer.querySelectorAll("*")]).filter((element) => !own(element));
  return {
    stolen: window.stolen ?? null,
    foreign: elements.filter((element) => element.matches(foreign)).map((element) => element.outerHTML.slice(0, 200)),
    handlers: elements.flatMap((element) => element.getAttributeNames()).filter((name) => name.startsWith("on")),
    links: elements.filter((element) => element.matches("a[href]")).map((element) => element.getAttribute("href")),
    count: elements.length,
  };
}"""
"""What hostile text has made of the places where text from elsewhere is shown."""


async def nothing_happened(chat: Chat) -> None:
    """See that text stayed text, in the page and in its frames."""
    marks = await chat.page.evaluate(MARKS)
    assert marks["count"], "there is no text to look at"
    assert marks["stolen"] is None
    assert marks["foreign"] == []
    assert marks["handlers"] == []
    schemes = {link.partition(":")[0].lower() for link in marks["links"]}
    assert schemes <= {"https", "http", "mailto"}, marks["links"]
    for frame in chat.page.frames:
        assert await frame.evaluate("window.stolen ?? null") is None
    assert await chat.page.evaluate("getComputedStyle(document.body).display") != "none"


async def test_the_samples_do_harm_where_nothing_stops_them(stage: Stage) -> None:
    """Else the tests below would prove nothing."""
    context = await stage.browser.new_context()
    caught: list[str] = []
    harmful: set[str] = set()

    async def catch(route: Route) -> None:
        caught.append(route.request.url)
        await route.abort()

    async def dismiss(dialog: Dialog) -> None:
        caught.append(dialog.message)
        await dialog.dismiss()

    async def does_harm(text: str, wait_ms: int) -> bool:
        page = await context.new_page()
        caught.clear()
        await page.set_content(f"<!doctype html><div title='{text}'>{text}</div>", wait_until="commit")
        try:
            await page.wait_for_function("window.stolen !== undefined", timeout=wait_ms)
        except PlaywrightError:  # nothing is stolen so far, or the page itself is gone
            return bool(caught)
        finally:
            await page.close()
        return True

    await context.route("**/*", catch)
    context.on("dialog", dismiss)
    for wait_ms in HARM_MS:
        harmful |= {text for text in TEXTS if text not in harmful and await does_harm(text, wait_ms)}
        if len(harmful) >= len(TEXTS) // 2:
            break
    await context.close()
    assert len(harmful) >= len(TEXTS) // 2, harmful


async def test_messages_answers_and_titles_stay_text(stage: Stage) -> None:
    user = f"user-{uuid.uuid4().hex}"
    pasts = [Past(text, [(text, text)]) for text in TEXTS]
    parts = [MARKDOWN[start : start + PART] for start in range(0, len(MARKDOWN), PART)]
    seed(
        stage.chat_database,
        user,
        [*pasts, *(Past(f"Part {len(part)}", [(text, text) for text in part]) for part in parts)],
    )
    async with stage.visit(user) as chat:
        await chat.stands()
        await expect(chat.conversation("Part").first).to_be_visible()
        assert (await chat.titles())[len(parts) :] == [*reversed(TEXTS)]
        for place, part in enumerate(reversed(parts)):
            await chat.conversation("Part").nth(place).click()
            await expect(chat.turns).to_have_count(len(part))
            await nothing_happened(chat)
        for text in (TEXTS[0], TEXTS[2], TEXTS[9]):
            await chat.conversation(text).click()
            await expect(chat.title).to_have_text(text)
            await expect(chat.questions).to_have_text([text])
            await nothing_happened(chat)
        await chat.choose(TEXTS[2], "Delete")
        await expect(chat.toasts).to_contain_text(TEXTS[2])
        await chat.toasts.get_by_role("button", name="Undo").click()
        await expect(chat.conversation(TEXTS[2])).to_be_visible()


async def test_an_answer_is_as_harmless_while_it_streams(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        await chat.stands()
        for text in MARKDOWN[-9:]:
            stub.reply(Say(f"{text} and so on", pause_seconds=0.005))
            await chat.ask(f"say {uuid.uuid4()}", "and so on")
        await nothing_happened(chat)


async def test_an_answer_nested_without_end_is_shown_as_it_came(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        stub.reply(Say("> " * 3000 + "deep"))
        await chat.ask("dig", "deep")
        await chat.page.reload()
        await expect(chat.answer).to_contain_text("deep")
        await expect(chat.questions).to_have_text(["dig"])


async def test_tasks_and_results_of_tools_stay_text(stage: Stage, stub: OpenAIStub) -> None:
    async with stage.visit() as chat:
        calls = [Call("add_task", {"title": text, "description": text}) for text in TEXTS]
        stub.reply(
            Calls((*calls, Call("list_tasks", {}), Call("get_task", {"task_id": "<img src=x onerror=alert(1)>"})))
        )
        stub.reply(Say("Here they are."))
        await chat.ask("add them", "Here they are.")
        await expect(chat.box(TEXTS[-1])).to_be_visible()
        await expect(chat.cards).not_to_have_count(0)
        for summary in await chat.turns.locator("summary, [aria-expanded=false]").all():
            await summary.click()
        await nothing_happened(chat)
        await expect(chat.tasks.locator("main script, main iframe, main img, main a")).to_have_count(0)
        await chat.cards.first.get_by_role("button", name="Undo").click()
        await expect(chat.box(TEXTS[0])).to_have_count(0)


async def test_a_problems_words_stay_text(stage: Stage) -> None:
    async with stage.visit(expected=("status of 502",)) as chat:
        markup = "<img src=x onerror='window.stolen = 40'>"

        async def fail(route: Route) -> None:
            body = {"type": "model-failed", "title": markup, "detail": markup, "status": 502, "request_id": markup}
            await route.fulfill(status=502, content_type="application/problem+json", body=json.dumps(body))

        await chat.page.route("**/api/*/conversations?*", fail)
        await chat.page.reload()
        await expect(chat.sidebar.get_by_text(markup)).to_be_visible()
        assert await chat.page.evaluate("window.stolen ?? null") is None
        await expect(chat.sidebar.locator("img[onerror]")).to_have_count(0)


async def test_the_policy_lets_nothing_but_the_page_itself_run(stage: Stage) -> None:
    refusals = ("Content Security", "requires 'Trusted")
    async with stage.visit(expected=refusals) as chat:
        await expect(chat.composer).to_be_visible()
        attempts = """() => {
          const steal = "window.stolen = true";
          const made = (tag) => document.body.appendChild(document.createElement(tag));
          const ways = [
            () => (made("script").text = steal),
            () => made("script").append(steal),
            () => (made("div").innerHTML = `<img src=x onerror='${steal}'>`),
            () => made("img").setAttribute("onerror", steal),
            () => setTimeout(steal),
            () => trustedTypes.createPolicy("thief", { createScript: (text) => text }),
          ];
          return ways.map((way) => {
            try {
              way();
              return "not refused";
            } catch (error) {
              return error.name;
            }
          });
        }"""
        assert "TypeError" in await chat.page.evaluate(attempts)
        fetched = "(address) => fetch(address).then(() => 'fetched', () => 'refused')"
        assert await chat.page.evaluate(fetched, "http://127.0.0.1:9/") == "refused"
        assert await chat.page.evaluate("window.stolen ?? false") is False
        await until(lambda: len(chat.watch.complaints) >= 5)
        # What the policy refused was asked for and never sent.
        chat.watch.allow("http://127.0.0.1:9")


async def headers_of(stage: Stage, path: str) -> httpx.Headers:
    """What comes with a document or a file that anybody may have."""
    async with httpx.AsyncClient(base_url=stage.chat.base_url, timeout=REQUEST_SECONDS, trust_env=False) as http:
        answer = await http.get(path)
    assert answer.status_code == 200
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in answer.headers
    return answer.headers


@pytest.mark.parametrize("path", ["/", "/?c=1", "/widget", f"/runs/{uuid.UUID(int=7)}"])
async def test_documents_have_a_strict_policy(stage: Stage, path: str) -> None:
    headers = (await headers_of(stage, path))["Content-Security-Policy"]
    policy = dict(part.strip().partition(" ")[::2] for part in headers.split(";"))
    assert "unsafe" not in headers
    assert {policy[name] for name in ("default-src", "base-uri", "form-action")} == {"'none'"}
    if path == "/widget":
        assert policy["frame-ancestors"] == "'self'"
        assert policy["sandbox"] == "allow-scripts"
    else:
        assert policy["frame-ancestors"] == "'none'"
        assert {policy[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
        assert policy["require-trusted-types-for"] == "'script'"


@pytest.mark.parametrize("path", ["/static/app.js", "/static/tasks.js", "/static/style.css", "/static/icon.svg"])
async def test_files_are_files_and_nothing_else(stage: Stage, path: str) -> None:
    headers = await headers_of(stage, path)
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
