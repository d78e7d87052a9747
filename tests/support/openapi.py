"""Holding responses against the OpenAPI document of the service that gave them."""

import re
from typing import Any

import httpx
from jsonschema import Draft202012Validator

METHODS = ("get", "post", "put", "patch", "delete")


class Contract:
    """The document's operations, to check responses against."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.seen: set[tuple[str, int]] = set()
        """Operation ids and statuses that were checked."""
        self._paths = [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in document["paths"]]

    def operations(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return method, path and description of every operation."""
        return [
            (method, path, item[method])
            for path, item in self.document["paths"].items()
            for method in METHODS
            if method in item
        ]

    def check(self, response: httpx.Response) -> None:
        """Return if the document declares this response: its status, its media type, the shape of its body."""
        request = response.request
        path = request.url.raw_path.decode().partition("?")[0]
        found = [template for pattern, template in self._paths if pattern.fullmatch(path)]
        assert len(found) == 1, f"{path} is described {len(found)} times"
        operation = self.document["paths"][found[0]][request.method.lower()]
        name = f"{request.method} {found[0]}"
        declared = operation["responses"]
        assert str(response.status_code) in declared, f"{name} does not declare {response.status_code}"
        content = declared[str(response.status_code)].get("content", {})
        self.seen.add((operation["operationId"], response.status_code))
        if not content:
            assert response.content == b"", f"{name} answers {response.status_code} with a body"
            return
        media_type = response.headers["content-type"].partition(";")[0]
        assert media_type in content, f"{name} answers {response.status_code} as {media_type}"
        body = response.json() if media_type.endswith("json") else response.text
        self.validate(body, content[media_type]["schema"])

    def validate(self, value: Any, schema: dict[str, Any]) -> None:
        """Return if a value has the shape that the schema describes."""
        rooted = {**schema, "components": self.document["components"]}
        Draft202012Validator(rooted, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)


async def hold_to_contract(http: httpx.AsyncClient) -> Contract:
    """Check every response that a client of chat-api gets from now on."""
    contract = Contract((await http.get("/openapi.json")).json())

    async def check(response: httpx.Response) -> None:
        await response.aread()
        contract.check(response)

    http.event_hooks = {"response": [check]}
    return contract
