"""What can keep a turn from ending with an answer. Texts are for the user: nothing internal is in them."""


class StoppedError(Exception):
    """The run was asked to stop; nothing more was sent in its name."""


class ApprovalNeededError(Exception):
    """The last journalled response asks for calls that the user has to allow first; none of its calls was sent."""


class AgentError(Exception):
    """The turn has no answer."""


class ModelFailedError(AgentError):
    """The model refused, broke, answered nonsense, or did not come to an end."""


class ModelTimeoutError(AgentError):
    """The model did not answer within `MODEL_TIMEOUT_SECONDS`."""


class ToolsUnavailableError(AgentError):
    """The todo server cannot be reached, or gives no outcome; whether the last call took effect is unknown."""


class ToolsTimeoutError(AgentError):
    """The todo server did not answer within `TOOL_TIMEOUT_SECONDS`; whether the call took effect is unknown."""


class UnknownResourceError(Exception):
    """The todo server has nothing at this address for this user."""
