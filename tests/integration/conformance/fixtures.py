"""What the conformance suite wants to find on any server it tests: tools, resources and prompts with agreed answers.

Names, texts and schemas are the suite's own (`conformance list`, and each scenario's description). They test how the
server's transport, sessions and protocol layer carry every kind of content; the todo tools stay beside them.
"""

import asyncio
import base64
import io
import wave
from typing import Annotated, Any, Final

from mcp import MCPError
from mcp.server import MCPServer
from mcp.server.mcpserver import AssistantMessage, Audio, Context, Image, UserMessage
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    ClientCapabilities,
    EmbeddedResource,
    MissingRequiredClientCapabilityErrorData,
    SamplingCapability,
    TextResourceContents,
)
from pydantic import Field

from tests.integration.conformance.rounds import add_rounds

STEP_SECONDS: Final = 0.05
"""The suite's pause between two notifications of one call."""
PNG: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
"""One pixel."""
SCHEMA_2020_12: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
"""Every keyword of JSON Schema 2020-12 that a listing has to keep (SEP-1613, SEP-2106)."""

AnyServer = MCPServer[Any]
AnyContext = Context[Any, Any]


def add_fixtures(server: AnyServer) -> None:
    """Give a server all that the suite looks for."""
    _add_content(server)
    _add_notifying(server)
    _add_checked(server)
    _add_resources(server)
    _add_prompts(server)
    add_rounds(server)


def _resource(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    contents = TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    return EmbeddedResource(type="resource", resource=contents)


def _silence() -> bytes:
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setparams((1, 1, 8000, 0, "NONE", ""))
        file.writeframes(bytes([128] * 8))
    return sound.getvalue()


def _add_content(server: AnyServer) -> None:
    @server.tool(structured_output=False)
    async def test_simple_text() -> str:
        """Answer with text."""
        return "This is a simple text response for testing."

    @server.tool(structured_output=False)
    async def test_image_content() -> Image:
        """Answer with an image."""
        return Image(data=PNG, format="png")

    @server.tool(structured_output=False)
    async def test_audio_content() -> Audio:
        """Answer with a sound."""
        return Audio(data=_silence(), format="wav")

    @server.tool(structured_output=False)
    async def test_embedded_resource() -> EmbeddedResource:
        """Answer with a resource."""
        return _resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")

    @server.tool(structured_output=False)
    async def test_multiple_content_types() -> list[Any]:
        """Answer with text, an image and a resource."""
        mixed = _resource("test://mixed-content-resource", "application/json", '{"test":"data","value":123}')
        return ["Multiple content types test:", Image(data=PNG, format="png"), mixed]

    @server.tool(structured_output=False)
    async def test_error_handling() -> str:
        """Fail."""
        raise ToolError("This tool intentionally returns an error for testing")


def _add_notifying(server: AnyServer) -> None:
    @server.tool(structured_output=False)
    async def test_tool_with_logging(context: AnyContext) -> str:
        """Send three log messages on the way."""
        for text in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await context.info(text)
            await asyncio.sleep(STEP_SECONDS)
        return "logged"

    @server.tool(structured_output=False)
    async def test_logging_tool(context: AnyContext) -> str:
        """Send a log message, which reaches only a client that has named a level."""
        await context.info("logged")
        return "logged"

    @server.tool(structured_output=False)
    async def test_tool_with_progress(context: AnyContext) -> str:
        """Report progress three times."""
        for progress in (0, 50, 100):
            await context.report_progress(progress, 100)
            await asyncio.sleep(STEP_SECONDS)
        return "done"

    @server.tool(structured_output=False)
    async def test_trigger_tool_change(context: AnyContext) -> str:
        """Tell subscribers that the list of tools has changed."""
        await context.notify_tools_changed()
        return "told"

    @server.tool(structured_output=False)
    async def test_trigger_prompt_change(context: AnyContext) -> str:
        """Tell subscribers that the list of prompts has changed."""
        await context.notify_prompts_changed()
        return "told"


def _add_checked(server: AnyServer) -> None:
    @server.tool(structured_output=False)
    async def test_missing_capability(context: AnyContext) -> str:
        """Work only for clients that offer sampling."""
        declared = context.client_capabilities
        if declared is None or declared.sampling is None:
            needed = ClientCapabilities(sampling=SamplingCapability())
            data = MissingRequiredClientCapabilityErrorData(required_capabilities=needed)
            raise MCPError(
                MISSING_REQUIRED_CLIENT_CAPABILITY,
                "the client does not offer sampling",
                data.model_dump(by_alias=True, mode="json", exclude_none=True),
            )
        return "offered"

    @server.tool(structured_output=False)
    async def test_custom_header(
        region: Annotated[str, Field(description="Region", json_schema_extra={"x-mcp-header": "Region"})],
    ) -> str:
        """Take an argument that the client repeats in a header (SEP-2243)."""
        return region

    @server.tool(structured_output=False)
    async def json_schema_2020_12_tool() -> str:
        """Tool with JSON Schema 2020-12 features."""
        return "ok"

    tool = server._tool_manager.get_tool("json_schema_2020_12_tool")
    assert tool is not None
    tool.parameters = SCHEMA_2020_12


def _add_resources(server: AnyServer) -> None:
    @server.resource("test://static-text", description="A text", mime_type="text/plain")
    async def static_text() -> str:
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", description="A picture", mime_type="image/png")
    async def static_binary() -> bytes:
        return PNG

    @server.resource("test://watched-resource", description="A text to subscribe to", mime_type="text/plain")
    async def watched_resource() -> str:
        return "watched"

    @server.resource("test://template/{id}/data", description="Data by number", mime_type="application/json")
    async def template_data(id: str) -> str:  # noqa: A002
        return f'{{"id":"{id}","templateTest":true,"data":"Data for ID: {id}"}}'


def _add_prompts(server: AnyServer) -> None:
    @server.prompt()
    async def test_simple_prompt() -> str:
        """A prompt without arguments."""
        return "This is a simple prompt for testing."

    @server.prompt()
    async def test_prompt_with_arguments(
        arg1: Annotated[str, Field(description="First test argument")],
        arg2: Annotated[str, Field(description="Second test argument")],
    ) -> str:
        """A prompt with two arguments."""
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @server.prompt()
    async def test_prompt_with_embedded_resource(
        resourceUri: Annotated[str, Field(description="URI of the resource to embed")],  # noqa: N803
    ) -> list[UserMessage | AssistantMessage]:
        """A prompt that holds a resource."""
        resource = _resource(resourceUri, "text/plain", "Embedded resource content for testing.")
        return [UserMessage(resource), UserMessage("Please process the embedded resource above.")]

    @server.prompt()
    async def test_prompt_with_image() -> list[UserMessage | AssistantMessage]:
        """A prompt that holds an image."""
        return [UserMessage(Image(data=PNG, format="png")), UserMessage("Please analyze the image above.")]
