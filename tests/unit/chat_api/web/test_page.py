"""The page's script, run by Node on a document that is just enough for it."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.node import require_node

DOCUMENT = Path(__file__).resolve().parents[3] / "support" / "page.js"


def run(scenario: str) -> None:
    """Run the body of an async function that opens pages with `open` and says with `assert` what must be."""
    node = require_node("node")
    program = f"""
        const assert = require("node:assert/strict");
        const {{ open }} = require({json.dumps(str(DOCUMENT))});
        const answer = {{ conversation_id: 7, response: "Done.", tool_calls: [] }};
        const refused = {{ status: 401, body: {{ detail: "the signature is wrong" }} }};
        (async () => {{ {scenario} }})().catch((error) => {{ console.error(error); process.exit(1); }});
    """
    done = subprocess.run([node, "-e", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


def test_a_message_is_sent_with_the_demos_token_and_its_answer_shown() -> None:
    run("""
        const page = await open({ demo: true, answers: [{ user_id: "demo", token: "t" }, answer] });
        await page.say("add milk");
        assert.deepEqual(page.requests.map((request) => request.address), ["/demo/token", "/api/demo/chat"]);
        assert.equal(page.requests[1].token, "Bearer t");
        assert.match(page.elements.transcript.text, /add milk.*Done\\./);
    """)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ('Object.assign(new Error("too long"), { name: "TimeoutError" })', "No answer within 150 seconds"),
        ('new TypeError("fetch failed")', "connection was lost"),
    ],
)
def test_where_the_outcome_is_unknown_the_page_says_that_it_may_still_be_carried_out(failure: str, words: str) -> None:
    run(f"""
        const page = await open({{ demo: true, answers: [{{ user_id: "demo", token: "t" }}, {failure}, answer] }});
        await page.say("add milk");
        const said = page.elements["problem-text"].textContent;
        assert.match(said, /{words}/);
        assert.match(said, /may still be carried out; sent again, it is not done twice/);
        await page.press("retry");
        assert.match(page.elements.transcript.text, /Done\\./);
    """)


def test_what_was_refused_for_good_is_not_said_to_be_carried_out() -> None:
    run("""
        const problem = { status: 422, body: { detail: "The message is too long." } };
        const page = await open({ demo: true, answers: [{ user_id: "demo", token: "t" }, problem] });
        await page.say("add milk");
        assert.equal(page.elements["problem-text"].textContent, "The message is too long.");
    """)


def test_the_demo_renews_a_refused_token_once_and_sends_the_message_on() -> None:
    run("""
        const [old, fresh] = ["old", "fresh"].map((token) => ({ user_id: "demo", token }));
        const page = await open({ demo: true, answers: [old, refused, fresh, answer, refused, fresh, refused] });
        await page.say("add milk");
        assert.equal(page.requests.at(-1).token, "Bearer fresh");
        assert.match(page.elements.transcript.text, /add milk.*Done\\./);
        await page.say("add tea");
        assert.equal(page.requests.length, 7);
        assert.match(page.elements["sign-in-error"].textContent, /the signature is wrong/);
    """)


def test_a_token_of_the_same_user_sends_the_refused_message_again_in_its_conversation() -> None:
    run("""
        const page = await open({ demo: false, answers: [answer, refused, answer] });
        await page.paste("ann");
        await page.say("add milk");
        await page.say("add tea");
        assert.equal(page.requests.length, 2);
        await page.paste("ann");
        assert.deepEqual(page.requests.map((request) => request.body.conversation_id), [undefined, 7, 7]);
        assert.match(page.elements.transcript.text, /add milk.*add tea/);
    """)


def test_a_token_of_another_user_starts_over_and_sends_nothing_of_the_first_ones() -> None:
    run("""
        const page = await open({ demo: false, answers: [answer, refused, answer] });
        await page.paste("ann");
        await page.say("add milk");
        await page.say("add tea");
        await page.paste("bob");
        assert.equal(page.requests.length, 2);
        assert.equal(page.elements.transcript.text.trim(), "");
        await page.say("add bread");
        assert.equal(page.requests[2].address, "/api/bob/chat");
        assert.equal(page.requests[2].body.conversation_id, undefined);
    """)


def test_a_message_that_is_sent_again_is_the_same_message_even_if_it_has_made_its_conversation() -> None:
    run("""
        const problem = { status: 502, body: { detail: "The model failed.", conversation_id: 7 } };
        const page = await open({ demo: true, answers: [{ user_id: "demo", token: "t" }, problem, answer, answer] });
        await page.say("add milk");
        await page.press("retry");
        const [, first, again] = page.requests;
        assert.deepEqual(again, first);
        assert.equal(first.body.conversation_id, undefined);
        await page.say("add tea");
        assert.equal(page.requests[3].body.conversation_id, 7);
        assert.notEqual(page.requests[3].key, first.key);
    """)


@pytest.mark.parametrize("decided", ["{}", "{ status: 409, body: { detail: 'There is nothing to decide.' } }"])
def test_a_call_that_waits_for_approval_is_asked_for_and_the_message_goes_on(decided: str) -> None:
    run(f"""
        const call = {{ tool_call_id: "c1", tool_name: "delete_task", parameters: {{ task_id: 1 }} }};
        const body = {{ ...answer, status: "requires_action", run_id: "r1", response: "", pending_approvals: [call] }};
        const waits = {{ status: 202, body }};
        const answers = [{{ user_id: "demo", token: "t" }}, waits, {decided}, answer];
        const page = await open({{ demo: true, answers, confirms: [false] }});
        await page.say("delete 1");
        assert.deepEqual(page.questions, ['Allow the assistant to call delete_task {{"task_id":1}}?']);
        const [, first, decision, again] = page.requests;
        assert.equal(decision.address, "/api/demo/runs/r1/approvals");
        assert.deepEqual(decision.body, {{ decisions: [{{ tool_call_id: "c1", approve: false }}] }});
        assert.deepEqual(again, first);
        assert.match(page.elements.transcript.text, /delete 1.*Done\\./);
    """)
