"""Admission: the one short transaction in which a message becomes a run, or joins the one it already is.

The order of the checks is the contract's: key, ownership, quota, busy. What is refused leaves nothing behind.
"""

import datetime as dt
import hashlib
import time
from dataclasses import dataclass
from typing import Final, Literal

from uuid_utils import uuid7

from chat_api.agent.text import compact_json
from chat_api.conversations import repository as conversations
from chat_api.conversations.problems import ConversationNotFoundError
from chat_api.conversations.repository import LockedConversation
from chat_api.conversations.titles import title_of
from chat_api.database import Connection, Database
from chat_api.idempotency import repository as idempotency
from chat_api.idempotency.repository import KeyUse
from chat_api.runs import problems, repository
from chat_api.runs.ending import Ender, Started
from chat_api.runs.repository import RunRecord
from chat_api.runs.states import ENDED
from chat_api.usage.service import Quotas

QUEUE_MAX: Final = 20
"""Messages that may wait for a conversation's active run."""

OnBusy = Literal["reject", "enqueue", "interrupt"]


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message as it was sent."""

    message: str
    conversation_id: int | None = None
    timezone: str = "UTC"
    on_busy: OnBusy = "reject"
    replaces: str | None = None
    idempotency_key: str | None = None
    client_thread_id: str | None = None
    """AG-UI's name of the conversation, in place of its number."""
    client_run_id: str | None = None

    @property
    def request_hash(self) -> str:
        """What two sends under one key must have in common: all but what to do where the conversation is busy."""
        said = [self.message, self.conversation_id, self.timezone, self.replaces, self.client_thread_id]
        return hashlib.sha256(compact_json(said).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Admitted:
    """What came of a message."""

    run_id: str
    conversation_id: int
    started: Started | None = None
    """To be carried out by this process; None where the run waits in its queue, or was there before."""
    existing: RunRecord | None = None
    """The run that the message's key stands for already."""
    stopping: str | None = None
    """The running run that was asked to stop."""


@dataclass(frozen=True, slots=True)
class _Way:
    """Whether a conversation is free for a run now, and what was asked to stop for it."""

    free: bool
    stopping: str | None = None


class Admission:
    """Admits messages."""

    def __init__(self, database: Database, quotas: Quotas, ender: Ender, *, lease_seconds: float) -> None:
        self._database = database
        self._quotas = quotas
        self._ender = ender
        self._lease_seconds = lease_seconds

    async def admit(self, user_id: str, message: NewMessage) -> Admitted:
        """Take a message.

        Raises:
            KeyReusedError, RunDeletedError: The key cannot be used.
            ConversationNotFoundError, RunNotFoundError: The user has no such conversation, or no such run in it.
            NotReplaceableError: The run that it names to replace is at work or was replaced.
            RateLimitedError, QuotaExceededError: The user has used up a limit.
            RunActiveError, QueueFullError: The conversation is busy.
            ThreadTakenError: Another transaction has just given the thread's name away; admit the message again.
        """
        now = dt.datetime.now(dt.UTC)
        run_id = str(uuid7())
        async with self._database.writing() as connection:
            if message.idempotency_key is not None:
                use = KeyUse(message.request_hash, run_id)
                earlier = await idempotency.claim(connection, user_id, message.idempotency_key, use, now)
                if earlier is not None:
                    return await _attach(connection, user_id, earlier, use)
            conversation = await _conversation(connection, user_id, message)
            if message.replaces is not None:
                await _check_replaced_is_here(connection, user_id, conversation, message.replaces)
            highest = await self._quotas.admit(connection, user_id, now, new_conversation=conversation is None)
            if conversation is None:
                title = title_of(message.message)
                await conversations.create(connection, user_id, highest, title, run_id, now, message.client_thread_id)
                way, number, run_number = _Way(free=True), highest, 1
            else:
                number, run_number = conversation.conversation_id, conversation.last_run_number + 1
                way = await self._make_way(connection, user_id, message, conversation, now)
                await conversations.add_run(connection, user_id, number, run_id, now, queued=not way.free)
            if message.replaces is not None and message.replaces != way.stopping:
                await _check_replaceable(connection, user_id, number, message.replaces)
            run = RunRecord(
                user_id,
                run_id,
                number,
                run_number,
                "running" if way.free else "queued",
                message.message,
                message.timezone,
                now,
                message.replaces,
                message.client_run_id,
            )
            leased_since = time.monotonic()
            await repository.insert_run(connection, run, self._lease_seconds)
            started = None
            if way.free:
                thread_id = message.client_thread_id or (conversation.client_thread_id if conversation else None)
                started = await self._ender.starting(connection, run, leased_since, client_thread_id=thread_id)
        return Admitted(run_id, number, started, stopping=way.stopping)

    async def _make_way(
        self,
        connection: Connection,
        user_id: str,
        message: NewMessage,
        conversation: LockedConversation,
        now: dt.datetime,
    ) -> _Way:
        active = await repository.active_run(connection, user_id, conversation.conversation_id)
        if active is None and conversation.queued_runs == 0:
            return _Way(free=True)
        match message.on_busy:
            case "reject":
                raise problems.RunActiveError(
                    "The conversation is still working on a message. Wait for its answer, or send with on_busy "
                    "enqueue or interrupt.",
                    run_id=active.run_id if active else conversation.last_run_id,
                )
            case "enqueue":
                if conversation.queued_runs >= QUEUE_MAX:
                    raise problems.QueueFullError(f"{QUEUE_MAX} messages wait already. Wait for their answers.")
                return _Way(free=False)
            case "interrupt":
                return await self._interrupt(connection, user_id, conversation, active, now)

    async def _interrupt(
        self,
        connection: Connection,
        user_id: str,
        conversation: LockedConversation,
        active: RunRecord | None,
        now: dt.datetime,
    ) -> _Way:
        for queued in await repository.queued_runs(connection, user_id, conversation.conversation_id):
            await self._ender.cancel_idle(connection, queued, now)
        if active is None:
            return _Way(free=True)
        if active.status == "requires_action":
            await self._ender.cancel_idle(connection, active, now)
            return _Way(free=True)
        await repository.request_cancel(connection, active.key)
        return _Way(free=False, stopping=active.run_id)


async def _attach(connection: Connection, user_id: str, earlier: KeyUse, use: KeyUse) -> Admitted:
    if earlier.request_hash != use.request_hash:
        raise problems.KeyReusedError("The Idempotency-Key was sent with another message. Make a new key for this one.")
    run = await repository.get(connection, user_id, earlier.run_id)
    if run is None:
        raise problems.RunDeletedError("The message of this Idempotency-Key was deleted with its conversation.")
    return Admitted(run.run_id, run.conversation_id, existing=run)


async def _conversation(connection: Connection, user_id: str, message: NewMessage) -> LockedConversation | None:
    """Lock the conversation that the message is for; None where it begins one."""
    if message.client_thread_id is not None:
        return await conversations.lock_thread(connection, user_id, message.client_thread_id)
    if message.conversation_id is None:
        return None
    conversation = await conversations.lock(connection, user_id, message.conversation_id)
    if conversation is None:
        raise ConversationNotFoundError(message.conversation_id)
    return conversation


async def _check_replaced_is_here(
    connection: Connection, user_id: str, conversation: LockedConversation | None, run_id: str
) -> None:
    run = await repository.get(connection, user_id, run_id)
    if run is None or conversation is None or run.conversation_id != conversation.conversation_id:
        raise problems.RunNotFoundError("replaces: this conversation has no such run.")


async def _check_replaceable(connection: Connection, user_id: str, conversation_id: int, run_id: str) -> None:
    # Read again: to make way for the message may have ended it.
    run = await repository.get(connection, user_id, run_id)
    if run is None or run.status not in ENDED:
        raise problems.NotReplaceableError("The run is still at work. Stop it first, or send with on_busy interrupt.")
    if run.replaced:
        raise problems.NotReplaceableError("The run was replaced before. Name the run that stands in its place.")
    if await repository.is_being_replaced(connection, user_id, conversation_id, run_id):
        raise problems.NotReplaceableError("Another run is about to take its place. Name that one.")
