"""What has to be true of a schedule's users once everything is mended: seen from the outside, and in both databases."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from tests.faults.clients import Client
from tests.faults.deliveries import Sent
from tests.faults.plans import Plan, owner_mark, read_plan
from tests.faults.records import CallRecord, Records, RunOnRecord, TaskOnRecord
from tests.faults.streams import Event, Story, differs, read_story

_AT_ONCE: Final = 8
_TERMINAL_OF: Final = {"completed": "success", "cancelled": "cancelled", "failed": None}


def admissions(clients: Sequence[Client], records: Records) -> Iterator[str]:
    """Every message is on record exactly once, or was refused; a key stands for one run."""
    by_input: dict[tuple[str, str], list[RunOnRecord]] = {}
    for run in records.runs:
        by_input.setdefault((run.user_id, run.input), []).append(run)
    for client in clients:
        for sent in client.sent:
            runs = [run.run_id for run in by_input.pop((client.user_id, sent.plan.message), [])]
            yield from _admission(client, sent, runs, records)
    for user_id, text in by_input:
        yield f"a run of {user_id} that nobody asked for: {text}"


def _admission(client: Client, sent: Sent, runs: list[str], records: Records) -> Iterator[str]:
    name = sent.plan.name
    if len(runs) > 1:
        yield f"{name} is on record {len(runs)} times: {runs}"
    if sent.run_ids and set(runs) != sent.run_ids:
        yield f"{name}: the client was told of {sorted(sent.run_ids)}, on record is {runs}"
    if sent.refused and runs:
        yield f"{name} was refused and is on record: {runs}"
    if sent.key is not None and not sent.refused and not runs:
        yield f"{name} was sent under a key until it came through, and is not on record"
    if sent.key is not None and records.keys.get((client.user_id, sent.key)) != next(iter(runs), None):
        yield f"{name}: its key stands for {records.keys.get((client.user_id, sent.key))}, on record is {runs}"


def effects(records: Records) -> Iterator[str]:
    """Every effect happened exactly once, or is known not to have happened."""
    tasks: dict[tuple[str, str], list[TaskOnRecord]] = {}
    for task in records.tasks:
        tasks.setdefault((task.user_id, task.title), []).append(task)
    changes: Counter[tuple[str, int]] = Counter()
    unknown: Counter[tuple[str, int]] = Counter()
    for run, call in records.calls:
        where = f"run {run.run_id} ({run.status}), call {call.ordinal}/{call.index} {call.tool}"
        if call.result is None and run.status != "failed":
            yield f"{where}: its outcome is not known"
        if call.tool == "add_task" and "title" in call.arguments:
            yield from _addition(where, call, tasks.pop((run.user_id, call.arguments["title"]), []))
        elif "task_id" in call.arguments:
            of = changes if call.is_error is False else unknown if call.result is None else None
            if of is not None:
                of[run.user_id, call.arguments["task_id"]] += 1
    for (user_id, title), strays in tasks.items():
        yield f"{len(strays)} tasks {title!r} of {user_id} whose making is on no record"
    for task in records.tasks:
        made = task.version - 1 - changes[task.user_id, task.task_id]
        if not 0 <= made <= unknown[task.user_id, task.task_id]:
            yield f"task {task.title!r} was changed {task.version - 1} times, {made} of them off the record"


def _addition(where: str, call: CallRecord, made: list[TaskOnRecord]) -> Iterator[str]:
    least, most = {False: (1, 1), True: (0, 0), None: (0, 1)}[call.is_error]
    if not least <= len(made) <= most:
        yield f"{where} with outcome {call.result}: {len(made)} tasks {call.arguments['title']!r}"


async def transcripts(client: Client, records: Records) -> list[str]:
    """A completed run stands in the transcript once and as it was answered; under `/runs` stands every run, once."""
    found: list[str] = []
    answers = {answer["run_id"]: answer for answer in client.answers if answer["status"] == "completed"}
    runs = [run for run in records.runs if run.user_id == client.user_id]
    for conversation in sorted({run.conversation_id for run in runs}):
        here = {run.run_id: run for run in runs if run.conversation_id == conversation}
        listed = Counter(run["run_id"] for run in await client.items(f"conversations/{conversation}/runs"))
        if listed != Counter(list(here)):
            found.append(f"conversation {conversation}: /runs shows {dict(listed)}, on record is {sorted(here)}")
        messages = await client.items(f"conversations/{conversation}/messages?order=asc")
        if [message["id"] for message in messages] != sorted({message["id"] for message in messages}):
            found.append(f"conversation {conversation}: numbers of messages do not rise")
        pairs = list(zip(messages[::2], messages[1::2], strict=True))
        shown = Counter(user["run_id"] for user, _ in pairs)
        for run_id, run in here.items():
            wanted = {"completed": {1}, "failed": {0}}.get(run.status, {0, 1}) if not run.replaced else {0}
            if shown[run_id] not in wanted:
                found.append(f"run {run_id} ({run.status}) stands {shown[run_id]} times in the transcript")
        for user, assistant in pairs:
            found += _pair(user, assistant, here.get(user["run_id"]), answers)
    return found


def _pair(
    user: dict[str, Any], assistant: dict[str, Any], run: RunOnRecord | None, answers: dict[str, dict[str, Any]]
) -> Iterator[str]:
    if run is None or (user["role"], assistant["role"]) != ("user", "assistant") or user["content"] != run.input:
        yield f"not a pair of one run: {user} and {assistant}"
        return
    if assistant["run_id"] != run.run_id:
        yield f"the answer to {run.run_id} is that of {assistant['run_id']}"
    plan = read_plan(run.input)
    if run.status == "completed" and plan and not re.fullmatch(f"{re.escape(plan.answer)} #\\d+", assistant["content"]):
        yield f"run {run.run_id} is answered with {assistant['content']!r}; the model said {plan.answer!r}"
    answer = answers.get(run.run_id)
    if answer is not None and answer["response"] != assistant["content"]:
        yield f"run {run.run_id} was answered with {answer['response']!r}; on record is {assistant['content']!r}"


async def streams(client: Client, records: Records) -> list[str]:
    """Every stream is the same bytes from every offset on both replicas, and tells what is on record."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def checked(run: RunOnRecord) -> list[str]:
        async with turns:
            return [f"run {run.run_id} ({run.status}): {text}" for text in await _stream(client, run)]

    runs = [run for run in records.runs if run.user_id == client.user_id]
    return [text for found in await asyncio.gather(*map(checked, runs)) for text in found]


async def _stream(client: Client, run: RunOnRecord) -> list[str]:
    found: list[str] = []
    events = [Event(f"{run.run_id}:{n}", data) for n, data in run.events]
    blocks = [f"id: {event.id}\ndata: {event.data}".encode() for event in events]
    for replica in (0, 1):
        for offset in range(len(events) + 1):
            body = await client.replay(replica, run.run_id, events[offset - 1].id if offset else None)
            got = [_fields(block) for block in body.split(b"\n\n") if _fields(block)]
            if got != blocks[offset:]:
                found.append(f"replica {replica} replays {len(got)} events after {offset}, not {len(blocks) - offset}")
    story = read_story(run.run_id, events)
    found += story.faults
    found += _agreement(run, story, events)
    strangers = {mark for event in events for mark in re.findall(r"owner-.*?-end", event.data)}
    if strangers - {owner_mark(client.user_id)}:
        found.append(f"it holds texts of {sorted(strangers)}")
    for reading in client.readings:
        if reading.events and reading.events[0].run_id == run.run_id:
            difference = differs(reading.events, events)
            found += [] if difference is None else [difference]
    return found


def _fields(block: bytes) -> bytes:
    """Return what an event is made of: comments and the event's name may differ from reader to reader."""
    return b"\n".join(line for line in block.split(b"\n") if line.startswith((b"id:", b"data:")))


def _agreement(run: RunOnRecord, story: Story, events: list[Event]) -> Iterator[str]:
    outcomes = [call.result for call in run.calls]
    told = [story.results.get(name) for name in story.arguments]
    # What is found out about a call after the run has ended is on record, and its stream stays as it was.
    known = [
        outcome if tell or run.status == "completed" else None for outcome, tell in zip(outcomes, told, strict=False)
    ]
    if len(outcomes) != len(told) or known != told:
        yield f"the calls came to {outcomes}, its readers were told {told}"
    if events and events[-1].is_terminal:
        outcome = (events[-1].body.get("outcome") or {}).get("type")
        if outcome != _TERMINAL_OF[run.status]:
            yield f"its stream ends with {events[-1].data}"
    if run.answer is not None and run.answer != story.answer:
        yield f"its readers were told {story.answer!r}, and the transcript has {run.answer!r}"
    plan = read_plan(run.input)
    if run.status == "completed" and plan is not None:
        yield from _completion(run, story, plan)


def _completion(run: RunOnRecord, story: Story, plan: Plan) -> Iterator[str]:
    titles = [call.arguments.get("title", "").rpartition("#")[0] for call in run.calls if call.tool == "add_task"]
    if sorted(filter(None, titles)) != sorted(plan.titles):
        yield f"it asked for {titles}, and was to ask for {plan.titles}"


async def borders(clients: Sequence[Client], records: Records) -> list[str]:
    """Nobody sees what is another's."""
    found: list[str] = []
    for client in clients:
        others = [run.run_id for run in records.runs if run.user_id != client.user_id]
        for run_id in others[:2]:
            for path in (f"runs/{run_id}", f"runs/{run_id}/events"):
                response = await client.ask("GET", path)
                if response.status_code != 404:
                    found.append(f"{client.user_id} asks for another's {path} and gets {response.status_code}")
        shown = json.dumps(await client.items("conversations"))
        for stranger in clients:
            if stranger is not client and owner_mark(stranger.user_id) in shown:
                found.append(f"{client.user_id} is shown conversations of {stranger.user_id}")
    return found
