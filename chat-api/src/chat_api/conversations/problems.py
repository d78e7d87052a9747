"""What can be wrong with a conversation, as the API says it."""

from http import HTTPStatus

from chat_api.problems import ProblemError


class ConversationNotFoundError(ProblemError):
    """The user has no such conversation. Somebody else's is the same to them as none."""

    type = "conversation-not-found"
    title = "There is no such conversation"
    status = HTTPStatus.NOT_FOUND

    def __init__(self, conversation_id: int) -> None:
        super().__init__(f"You have no conversation {conversation_id}. List yours, or leave it out to start one.")
