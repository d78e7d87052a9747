"""Clients that use the API as the page does: they send again what got lost, follow, stop, decide, and hang up."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import httpx

from tests.faults.deliveries import Delivery, Reading, Sent
from tests.faults.streams import events_of
from tests.faults.world import ANSWER_SECONDS, CONNECT_SECONDS, Replica
from tests.support.tokens import user_token

PATIENCE_SECONDS: Final = 60
"""Longest time in which a message has to come to something, whatever is broken meanwhile."""
ASK_SECONDS: Final = 2
PAUSE_SECONDS: Final = 0.1
_OK: Final = 200
_WAITS_FOR_APPROVAL: Final = 202
_BUSY: Final = 409
_FAILED: Final = frozenset({502, 503, 504})
_ENDED: Final = frozenset({"completed", "failed", "cancelled"})


class StuckError(Exception):
    """Something had no end."""


class Client:
    """One user."""

    def __init__(self, user_id: str, replicas: Sequence[Replica], counts: Counter[str]) -> None:
        self.user_id = user_id
        self.sent: list[Sent] = []
        self.readings: list[Reading] = []
        self.answers: list[dict[str, Any]] = []
        """Bodies of 200."""
        self.violations: list[str] = []
        self._replicas = [replica.http for replica in replicas]
        self._token = {"Authorization": f"Bearer {user_token(user_id)}"}
        self._answers = 0
        """The replica that has answered last."""
        self._counts = counts

    async def talk(self, deliveries: Sequence[Delivery]) -> None:
        """Send messages into one conversation, one after the other."""
        conversation: int | None = None
        last_run: str | None = None
        for delivery in deliveries:
            sent = Sent(delivery.plan, delivery.key)
            replaces = last_run if delivery.replaces else None
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._deliver(delivery, sent, conversation, replaces)
            except TimeoutError:
                self.violations.append(f"{delivery.plan.name}: nothing came of it within {PATIENCE_SECONDS} s")
                return
            except StuckError as stuck:
                self.violations.append(str(stuck))
                return
            if sent.conversation_id is None:
                continue
            conversation = sent.conversation_id
            last_run = min(sent.run_ids, default=None)

    async def _deliver(self, delivery: Delivery, sent: Sent, conversation: int | None, replaces: str | None) -> None:
        body: dict[str, Any] = {"message": delivery.plan.message}
        for name, value in (("conversation_id", conversation), ("replaces", replaces), ("on_busy", delivery.on_busy)):
            if value is not None:
                body[name] = value
        if replaces is not None:
            self._counts["client: replaced"] += 1
        self.sent.append(sent)
        sends = [self._bring_through(delivery, sent, body, delivery.replica)]
        if delivery.twice:
            self._counts["client: sent twice"] += 1
            sends.append(self._bring_through(delivery, sent, body, 1 - delivery.replica))
        if delivery.rival is not None and conversation is not None:
            self._counts["client: two at once"] += 1
            rival = Sent(delivery.rival, f"{delivery.rival.name}/key")
            self.sent.append(rival)
            other = {name: value for name, value in body.items() if name != "replaces"}
            other["message"] = delivery.rival.message
            sends.append(self._bring_through(delivery, rival, other, 1 - delivery.replica))
        if delivery.cancel_after is not None and conversation is not None:
            sends.append(self._cancel(delivery, conversation))
        await asyncio.gather(*sends)

    async def _bring_through(self, delivery: Delivery, sent: Sent, body: dict[str, Any], replica: int) -> None:
        """Send a message, and stay with its run to the end: others may wait in the queue behind it."""
        await self._send(delivery, sent, body, replica)
        for run_id in sorted(sent.run_ids):
            await self._see_through(delivery, sent, run_id)

    async def _send(self, delivery: Delivery, sent: Sent, body: dict[str, Any], replica: int) -> None:
        """Send a message until something has come of it."""
        hang_up = delivery.hang_up_after
        while True:
            try:
                if await self._post(delivery, sent, body, replica, hang_up):
                    return
            except httpx.TransportError:
                pass
            hang_up = None
            if sent.key is None:
                # It may have been admitted or not; sending it again could say it twice.
                return
            replica = 1 - replica
            await asyncio.sleep(PAUSE_SECONDS)

    async def _post(
        self, delivery: Delivery, sent: Sent, body: dict[str, Any], replica: int, hang_up: float | None
    ) -> bool:
        """Send once. True where that came to something, False where it has to be sent again."""
        headers = {**self._token} if sent.key is None else {**self._token, "Idempotency-Key": sent.key}
        if delivery.stream:
            headers["Accept"] = "text/event-stream"
        timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        if hang_up is not None and not delivery.stream:
            self._counts["client: hung up"] += 1
            timeout = httpx.Timeout(hang_up, connect=CONNECT_SECONDS)
        url = f"/api/{self.user_id}/chat"
        async with self._replicas[replica].stream("POST", url, json=body, headers=headers, timeout=timeout) as response:
            if response.status_code == _OK and delivery.stream:
                return await self._read(sent, response, hang_up)
            await response.aread()
        answer = response.json()
        status = response.status_code
        if status in (_OK, _WAITS_FOR_APPROVAL):
            sent.run_ids.add(answer["run_id"])
            sent.conversation_id = answer["conversation_id"]
            if status == _OK:
                self.answers.append(answer)
        elif status == _BUSY:
            sent.refused = True
        elif status in _FAILED and "run_id" in answer:
            sent.run_ids.add(answer["run_id"])
        elif status in _FAILED:
            return sent.key is None
        else:
            self.violations.append(f"{delivery.plan.name}: answered with {status} {response.text}")
        return True

    async def _read(self, sent: Sent, response: httpx.Response, hang_up: float | None) -> bool:
        """Read a stream, and go on elsewhere where it breaks off. False where not one event came."""
        reading = Reading()
        try:
            async with asyncio.timeout(hang_up):
                async for event in events_of(response.aiter_lines()):
                    reading.events.append(event)
                    sent.run_ids.add(event.run_id)
        except TimeoutError:
            self._counts["client: hung up"] += 1
        except httpx.TransportError:
            pass
        await response.aclose()
        if not reading.events:
            return False
        self.readings.append(reading)
        if not reading.events[-1].is_terminal:
            await self.follow(reading)
        return True

    async def follow(self, reading: Reading) -> None:
        """Read a run's events from where the reading stands to the next that ends it, on any replica."""
        known, replica = len(reading.events), 0
        run_id = reading.events[0].run_id
        while len(reading.events) == known or not reading.events[-1].is_terminal:
            self._counts["client: reconnected"] += 1
            replica = 1 - replica
            headers = {**self._token, "Last-Event-ID": reading.events[-1].id}
            url = f"/api/{self.user_id}/runs/{run_id}/events"
            try:
                async with self._replicas[replica].stream("GET", url, headers=headers) as response:
                    if response.status_code == _OK:
                        async for event in events_of(response.aiter_lines()):
                            reading.events.append(event)
                    elif response.status_code not in _FAILED:
                        self.violations.append(f"run {run_id}: its events are answered with {response.status_code}")
                        return
            except httpx.TransportError:
                pass
            await asyncio.sleep(PAUSE_SECONDS)

    async def _cancel(self, delivery: Delivery, conversation: int) -> None:
        await asyncio.sleep(delivery.cancel_after or 0)
        shown = await self.get(f"conversations/{conversation}")
        if shown["active_run_id"] is None:
            return
        self._counts["client: cancelled"] += 1
        await self.post(f"runs/{shown['active_run_id']}/cancel", {}, {_OK, _WAITS_FOR_APPROVAL})

    async def _see_through(self, delivery: Delivery, sent: Sent, run_id: str) -> None:
        """Decide what a run asks for, retry it where that is wanted, and wait for its end."""
        retry = delivery.retry
        while True:
            run = await self.get(f"runs/{run_id}")
            sent.conversation_id = run["conversation_id"]
            if run["status"] == "requires_action":
                await self.decide(run, approve=delivery.approve)
                if delivery.stream and not delivery.twice:
                    for reading in self.readings:
                        if reading.events[0].run_id == run_id and reading.events[-1].is_interruption:
                            await self.follow(reading)
            elif run["status"] == "failed" and retry:
                retry = False
                self._counts["client: retried"] += 1
                await self.post(f"runs/{run_id}/retry", {}, {_OK, _WAITS_FOR_APPROVAL, _BUSY, *_FAILED})
            elif run["status"] in _ENDED:
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def probe(self, delivery: Delivery, conversation: int) -> str:
        """Send a message into a conversation that is at rest; returns the answer, or the refusal.

        A message without a key, whose sender has given up, may have been on its way when everything was at rest, and be
        what the conversation is busy with: that has to end.
        """
        sent = Sent(delivery.plan, delivery.key)
        self.sent.append(sent)
        body = {"message": delivery.plan.message, "conversation_id": conversation}
        headers = {**self._token, "Idempotency-Key": str(delivery.key)}
        url = f"/api/{self.user_id}/chat"
        deadline = time.monotonic() + PATIENCE_SECONDS
        response = await self._replicas[delivery.replica].post(url, json=body, headers=headers)
        while response.status_code == _BUSY and time.monotonic() < deadline:
            await asyncio.sleep(PAUSE_SECONDS)
            response = await self._replicas[delivery.replica].post(url, json=body, headers=headers)
        if response.status_code != _OK:
            return f"{response.status_code} {response.text}"
        answer = response.json()
        sent.run_ids.add(answer["run_id"])
        return str(answer["response"])

    async def decide(self, run: dict[str, Any], *, approve: bool) -> None:
        """Decide on everything that a run waits for."""
        if not run["pending_approvals"]:
            # Somebody has decided between the two looks that the answer is made of.
            return
        self._counts["client: decided"] += 1
        decisions = [{"tool_call_id": asked["tool_call_id"], "approve": approve} for asked in run["pending_approvals"]]
        # 409 where the same decision, sent before, had come through.
        await self.post(f"runs/{run['run_id']}/approvals", {"decisions": decisions}, {_WAITS_FOR_APPROVAL, _BUSY})

    async def get(self, path: str) -> Any:
        """Read something below the user's own path, from whichever replica answers."""
        response = await self.ask("GET", path)
        if response.status_code != _OK:
            raise StuckError(f"{path} is answered with {response.status_code} {response.text}")
        return response.json()

    async def post(self, path: str, body: dict[str, Any], expected: set[int]) -> httpx.Response:
        """Ask for something, again and again until it is answered."""
        response = await self.ask("POST", path, body)
        if response.status_code not in expected:
            self.violations.append(f"{path} is answered with {response.status_code} {response.text}")
        return response

    async def items(self, path: str) -> list[dict[str, Any]]:
        """Return all items of a collection, page by page."""
        items: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await self.get(f"{path}{'&' if '?' in path else '?'}limit=100{cursor}")
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            cursor = f"&cursor={page['next_cursor']}"

    async def replay(self, replica: int, run_id: str, after: str | None) -> bytes:
        """Return the stored stream of a run that has ended, as the bytes that one replica sends."""
        headers = {**self._token, **({} if after is None else {"Last-Event-ID": after})}
        response = await self._replicas[replica].get(f"/api/{self.user_id}/runs/{run_id}/events", headers=headers)
        if response.status_code != _OK:
            raise StuckError(f"the events of {run_id} are answered with {response.status_code} {response.text}")
        return response.content

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """Send a request that is safe to repeat, until a replica answers it."""
        url = f"/api/{self.user_id}/{path}"
        timeout = httpx.Timeout(ASK_SECONDS, connect=CONNECT_SECONDS)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    response = await self._replicas[self._answers].request(
                        method, url, json=body, headers=self._token, timeout=timeout
                    )
                except httpx.TransportError:
                    pass
                else:
                    if response.status_code not in _FAILED or "run_id" in response.text:
                        return response
                self._answers = 1 - self._answers
                await asyncio.sleep(PAUSE_SECONDS)
