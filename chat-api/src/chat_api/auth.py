"""Who calls: the bearer token is verified before anything else of a request is looked at."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

from fastapi import Depends, Path, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from todo_chat_shared.tokens import InvalidTokenError, TokenVerifier

from chat_api.problems import ForbiddenError, UnauthenticatedError

REALM: Final = "todo-chat"


class UserRoute(APIRoute):
    """A route below `/api/{user_id}`: the path's user must be the token's.

    As a dependency this would run only after the body was parsed, and strangers would be told what is wrong with
    theirs.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the route's handler, behind the check."""
        handle = super().get_route_handler()

        async def authenticated(request: Request) -> Response:
            verifier: TokenVerifier = request.app.state.token_verifier
            user_id = await _user_of(request, verifier)
            if request.path_params["user_id"] != user_id:
                raise ForbiddenError("The token is another user's than the path's.")
            return await handle(request)

        return authenticated


async def _user_of(request: Request, verifier: TokenVerifier) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthenticatedError(
            "Send a token in the header: Authorization: Bearer …",
            headers={"WWW-Authenticate": f'Bearer realm="{REALM}"'},
        )
    try:
        return (await verifier.verify(token.strip())).user_id
    except InvalidTokenError as error:
        challenge = f'Bearer realm="{REALM}", error="invalid_token", error_description="{error}"'
        raise UnauthenticatedError(f"Sign in again: {error}.", headers={"WWW-Authenticate": challenge}) from None


UserId = Annotated[str, Path(description="The user, as the token's `sub` names them.")]
"""The caller, verified by `UserRoute`."""

documented_bearer: Final = Depends(HTTPBearer(auto_error=False, description="The front end's JWT."))
"""Tells OpenAPI of the token; `UserRoute` is what checks it."""
