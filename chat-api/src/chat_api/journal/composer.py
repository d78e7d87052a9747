"""Numbers the next events of a run, and keeps account of the text message that they leave behind."""

from dataclasses import replace
from typing import Final

from chat_api.journal import events
from chat_api.journal.events import Message
from chat_api.journal.records import StoredEvent


class Composer:
    """Events in the making. Nothing is stored by it, so it may be thrown away and begun anew."""

    def __init__(self, run_id: str, next_n: int, message: Message | None) -> None:
        self._run_id: Final = run_id
        self.next_n = next_n
        self.message = message
        """The text message that the log ends with; None where it ends with something else."""
        self.events: list[StoredEvent] = []

    def add(self, *data: str) -> None:
        """Append encoded events."""
        for event in data:
            self.events.append(StoredEvent(self.next_n, event))
            self.next_n += 1

    def say(self, words: str) -> None:
        """Append words to the open message, or open one. What an earlier owner had written is taken back before."""
        if self.message is not None and (self.message.is_inherited or not self.message.is_open):
            self.discard()
        if self.message is None:
            self.message = Message(f"{self._run_id}:{self.next_n}", "")
            self.add(events.text_start(self.message.message_id))
        self.add(events.text_content(self.message.message_id, words))
        self.message = replace(self.message, text=self.message.text + words)

    def end_text(self) -> str | None:
        """Close the open message; returns the id of the message that the log ends with."""
        if self.message is None:
            return None
        if self.message.is_open:
            self.add(events.text_end(self.message.message_id))
            self.message = replace(self.message, is_open=False)
        return self.message.message_id

    def leave_text(self) -> str | None:
        """Close the open message for good, because something else follows; returns its id.

        What an earlier owner had written is taken back: it was no part of what follows.
        """
        if self.message is not None and self.message.is_inherited:
            self.discard()
        message_id = self.end_text()
        self.message = None
        return message_id

    def discard(self) -> None:
        """Close the message that the log ends with and take it back."""
        message_id = self.end_text()
        if message_id is not None:
            self.add(events.message_discarded(message_id))
            self.message = None

    def finish(self, answer: str) -> None:
        """Make the log end with the whole answer as one message, which may have been said already, wholly or partly."""
        message = self.message
        if message is None or message.text != answer:
            going_on = message is not None and message.is_open and not message.is_inherited
            said = message.text if message is not None and going_on else ""
            if not answer.startswith(said):
                self.discard()
                said = ""
            self.say(answer[len(said) :])
        self.end_text()
