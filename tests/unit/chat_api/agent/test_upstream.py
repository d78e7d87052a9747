"""The agent and a model's server over real HTTP: streams, cuts, stops."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from chat_api.agent import server_events, stream
from chat_api.agent.agent import TodoAgent
from chat_api.agent.errors import ModelFailedError, ModelTimeoutError, StoppedError
from chat_api.agent.providers import open_provider
from chat_api.agent.turn import Turn, Usage
from chat_api.settings import load_settings

from tests.support.openai_stub import USAGE, Call, Calls, Cut, Fail, OpenAIStub, Raw, Say, running_openai_stub
from tests.unit.chat_api.agent.fakes import RUN_ID, MemoryJournal, MemoryTodo

TURN = Turn("ann", RUN_ID, "add milk", (), dt.datetime(2026, 11, 23, tzinfo=dt.UTC))
ADD = Calls((Call("add_task", {"title": "milk"}, call_id=""), Call("list_tasks", call_id="")), say="I add it.")


@pytest.fixture(params=["responses", "chat_completions"])
def api(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def running(
    api: str, monkeypatch: pytest.MonkeyPatch, seconds: float = 10
) -> AsyncIterator[tuple[OpenAIStub, TodoAgent]]:
    async with running_openai_stub() as stub:
        for name, value in stub.environment(api).items():
            monkeypatch.setenv(name, value)
        async with open_provider(load_settings()) as provider:
            yield stub, TodoAgent(provider, MemoryTodo(), max_rounds=5, model_timeout=seconds)


async def test_words_and_calls_come_through_and_are_counted(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = MemoryJournal()
    async with running(api, monkeypatch) as (stub, agent):
        stub.reply(ADD, Say("Größe 😀 done."))
        answer = await agent.answer(TURN, journal)
        assert all(body["stream"] is True for body in stub.requests)
    assert answer.text == "Größe 😀 done."
    assert journal.words == "I add it.Größe 😀 done."
    assert journal.usage == Usage(2, 2 * USAGE[0], 2 * USAGE[1])
    assert list(journal.outcomes) == [(0, 0), (0, 1)]


async def test_a_replayed_run_sends_what_the_whole_one_did(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = MemoryJournal()
    async with running(api, monkeypatch) as (stub, agent):
        stub.reply(ADD, Say("Done."))
        await agent.answer(TURN, journal)
        stub.reply(Say("Done."))
        again = Turn(TURN.user_id, RUN_ID, TURN.message, (), TURN.now, journal.done())
        await agent.answer(again, MemoryJournal())
        _, whole, replayed = stub.requests
    assert replayed == whole


async def test_a_stop_closes_the_upstream_at_once(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whoever waited for the rest of the answer would do so for longer than the test does.
    monkeypatch.setattr(stream, "TAIL_SECONDS", 60)
    monkeypatch.setattr(server_events, "DRAIN_SECONDS", 60)
    journal = MemoryJournal()
    async with running(api, monkeypatch, seconds=60) as (stub, agent):
        stub.reply(Say("one two three four", hold=asyncio.Event()))
        answering = asyncio.create_task(agent.answer(TURN, journal))
        async with asyncio.timeout(10):
            while not journal.words:  # noqa: ASYNC110 - the journal's words have no event of their own
                await asyncio.sleep(0.005)
            journal.stop()
            with pytest.raises(StoppedError):
                await answering
            while not stub.closed_early:  # noqa: ASYNC110 - nor has the stub's list
                await asyncio.sleep(0.005)
    assert journal.words.startswith("one")
    assert journal.entries == []


async def test_a_model_that_stalls_in_the_middle_times_out(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(api, monkeypatch, seconds=0.3) as (stub, agent):
        journal = MemoryJournal()
        async with asyncio.timeout(10):
            while not journal.words:  # on a machine that is held up, the time may be over before the first of them
                stub.reply(Say("one two", hold=asyncio.Event()))
                with pytest.raises(ModelTimeoutError):
                    await agent.answer(TURN, journal)
            while not stub.closed_early:  # noqa: ASYNC110 - the stub's list has no event of its own
                await asyncio.sleep(0.005)


@pytest.mark.parametrize("chunks", [0, 1, 100])
async def test_half_an_answer_is_none_and_is_not_asked_again(
    api: str, chunks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = MemoryJournal()
    async with running(api, monkeypatch) as (stub, agent):
        stub.reply(Cut(ADD, chunks), Say("never"))
        with pytest.raises(ModelFailedError):
            await agent.answer(TURN, journal)
        assert len(stub.requests) == 1
    assert journal.steps == []


@pytest.mark.parametrize(
    "reply",
    [Raw("<html>oops</html>", "text/html"), Raw("{}"), Raw('{"output": 7}'), Raw("[]"), Raw("not json"), Raw("")],
)
async def test_what_is_no_answer_is_the_models_failure(api: str, reply: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(api, monkeypatch) as (stub, agent):
        stub.reply(reply, reply, reply)
        with pytest.raises(ModelFailedError):
            await agent.answer(TURN, MemoryJournal())


async def test_a_failure_before_the_first_byte_is_tried_again(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(api, monkeypatch) as (stub, agent):
        stub.reply(Fail(500), Say("Done."))
        assert (await agent.answer(TURN, MemoryJournal())).text == "Done."
        assert len(stub.requests) == 2
