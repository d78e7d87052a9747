"""The conformance suite's fixtures that ask the client something before they answer.

In 2026-07-28 a server asks by answering with an `InputRequiredResult`, and is called again with the client's responses
(SEP-2322). In the handshake era it sends the client a request of its own, for which a stateless server has no channel.
"""

from typing import Any, Final, TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    Result,
    SamplingMessage,
    TextContent,
)

AnyServer = MCPServer[Any]
AnyContext = Context[Any, Any]
Answer = TypeVar("Answer", bound=Result)

STATE: Final = "begun"
OPTIONS: Final = ["option1", "option2", "option3"]
TITLED: Final = [{"const": f"value{number}", "title": f"Option {number}"} for number in (1, 2, 3)]


def add_rounds(server: AnyServer) -> None:
    """Give a server the fixtures of both eras."""
    _add_single_questions(server)
    _add_stateful_questions(server)
    _add_questions_by_request(server)


def _form(message: str, **properties: Any) -> ElicitRequest:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def _ask(message: str, field: str) -> ElicitRequest:
    return _form(message, **{field: {"type": "string"}})


def _sample(text: str, max_tokens: int) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[message], max_tokens=max_tokens))


def _answer(context: AnyContext, key: str, kind: type[Answer]) -> Answer | None:
    """Return the client's response under `key`, or None where it has sent none of that kind."""
    response = (context.input_responses or {}).get(key)
    return response if isinstance(response, kind) else None


def _field(context: AnyContext, key: str, field: str) -> str | None:
    """Return what the user has put into a form's field, or None where the form has not come back filled in."""
    form = _answer(context, key, ElicitResult)
    value = None if form is None or form.action != "accept" else (form.content or {}).get(field)
    return value if isinstance(value, str) else None


def _text(result: CreateMessageResult) -> str:
    return result.content.text if isinstance(result.content, TextContent) else ""


def _needs(state: str | None = None, **requests: InputRequest) -> InputRequiredResult:
    return InputRequiredResult(input_requests=requests, request_state=state)


def _add_single_questions(server: AnyServer) -> None:
    @server.tool(structured_output=False)
    async def test_input_required_result_elicitation(context: AnyContext) -> str | InputRequiredResult:
        """Ask for a name."""
        name = _field(context, "user_name", "name")
        return f"Hello, {name}!" if name else _needs(user_name=_ask("What is your name?", "name"))

    @server.tool(structured_output=False)
    async def test_streaming_elicitation(context: AnyContext) -> str | InputRequiredResult:
        """Ask for a name, with nothing but the question on the stream."""
        return await test_input_required_result_elicitation(context)

    @server.tool(structured_output=False)
    async def test_input_required_result_sampling(context: AnyContext) -> str | InputRequiredResult:
        """Ask the client's model."""
        said = _answer(context, "capital_question", CreateMessageResult)
        return _text(said) if said else _needs(capital_question=_sample("What is the capital of France?", 100))

    @server.tool(structured_output=False)
    async def test_input_required_result_list_roots(context: AnyContext) -> str | InputRequiredResult:
        """Ask for the client's roots."""
        found = _answer(context, "client_roots", ListRootsResult)
        return " ".join(str(root.uri) for root in found.roots) if found else _needs(client_roots=ListRootsRequest())

    @server.tool(structured_output=False)
    async def test_input_required_result_capabilities(context: AnyContext) -> str | InputRequiredResult:
        """Ask only what the client has said that it can answer."""
        declared = context.client_capabilities
        questions: dict[str, InputRequest] = {}
        if declared is not None and declared.elicitation is not None:
            questions["name"] = _ask("What is your name?", "name")
        if declared is not None and declared.sampling is not None:
            questions["greeting"] = _sample("Generate a greeting", 50)
        return _needs(None, **questions) if questions else "nothing to ask"

    @server.prompt()
    async def test_input_required_result_prompt(context: AnyContext) -> str | InputRequiredResult:
        """A prompt that asks for its context."""
        given = _field(context, "user_context", "context")
        return given or _needs(user_context=_ask("What context should the prompt use?", "context"))


def _add_stateful_questions(server: AnyServer) -> None:
    confirm = _form("Please confirm", ok={"type": "boolean"})

    @server.tool(structured_output=False)
    async def test_input_required_result_request_state(context: AnyContext) -> str | InputRequiredResult:
        """Ask for a confirmation, and know the question again by its state."""
        confirmed = _answer(context, "confirm", ElicitResult) is not None and context.request_state == STATE
        return "state-ok" if confirmed else _needs(STATE, confirm=confirm)

    @server.tool(structured_output=False)
    async def test_input_required_result_tampered_state(context: AnyContext) -> str | InputRequiredResult:
        """Ask for a confirmation, under a state that only the server can have written."""
        return await test_input_required_result_request_state(context)

    @server.tool(structured_output=False)
    async def test_input_required_result_multiple_inputs(context: AnyContext) -> str | InputRequiredResult:
        """Ask three questions at once."""
        name = _field(context, "user_name", "name")
        greeting = _answer(context, "greeting", CreateMessageResult)
        roots = _answer(context, "client_roots", ListRootsResult)
        if name and greeting and roots:
            return f"{_text(greeting)} {name}, of {len(roots.roots)} roots"
        return _needs(
            STATE,
            user_name=_ask("What is your name?", "name"),
            greeting=_sample("Generate a greeting", 50),
            client_roots=ListRootsRequest(),
        )

    @server.tool(structured_output=False)
    async def test_input_required_result_multi_round(context: AnyContext) -> str | InputRequiredResult:
        """Ask for a name, then for a color; the name travels in the state."""
        color, name = _field(context, "step2", "color"), _field(context, "step1", "name")
        if color:
            return f"{context.request_state} likes {color}"
        if name:
            return _needs(name, step2=_ask("Step 2: What is your favorite color?", "color"))
        return _needs(STATE, step1=_ask("Step 1: What is your name?", "name"))


def _add_questions_by_request(server: AnyServer) -> None:
    async def elicited(context: AnyContext, form: ElicitRequest) -> str:
        assert isinstance(form.params, ElicitRequestFormParams)
        result = await context.session.elicit_form(form.params.message, form.params.requested_schema)
        return f"Elicitation completed: action={result.action}, content={result.content}"

    @server.tool(structured_output=False)
    async def test_sampling(prompt: str, context: AnyContext) -> str:
        """Ask the client's model."""
        request = _sample(prompt, 100).params
        result = await context.session.create_message(request.messages, max_tokens=request.max_tokens)
        return f"LLM response: {_text(result)}"

    @server.tool(structured_output=False)
    async def test_elicitation(message: str, context: AnyContext) -> str:
        """Ask for a user name and an address."""
        return await elicited(context, _form(message, username={"type": "string"}, email={"type": "string"}))

    @server.tool(structured_output=False)
    async def test_elicitation_sep1034_defaults(context: AnyContext) -> str:
        """Ask with a default in every kind of field (SEP-1034)."""
        form = _form(
            "Please review",
            name={"type": "string", "default": "John Doe"},
            age={"type": "integer", "default": 30},
            score={"type": "number", "default": 95.5},
            status={"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
            verified={"type": "boolean", "default": True},
        )
        return await elicited(context, form)

    @server.tool(structured_output=False)
    async def test_elicitation_sep1330_enums(context: AnyContext) -> str:
        """Ask for choices in every form that an enumeration can take (SEP-1330)."""
        form = _form(
            "Please choose",
            untitledSingle={"type": "string", "enum": OPTIONS},
            titledSingle={"type": "string", "oneOf": TITLED},
            legacyEnum={"type": "string", "enum": OPTIONS, "enumNames": ["Option 1", "Option 2", "Option 3"]},
            untitledMulti={"type": "array", "items": {"type": "string", "enum": OPTIONS}},
            titledMulti={"type": "array", "items": {"anyOf": TITLED}},
        )
        return await elicited(context, form)
