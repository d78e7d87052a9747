"""Who calls: the bearer token is verified before anything else of a request is looked at."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

from fastapi import Depends, Path, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from todo_chat_shared.tokens import Identity, InvalidTokenError, TokenVerifier

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
            identity = await _identity_of(request, verifier)
            if request.path_params["user_id"] != identity.user_id:
                raise ForbiddenError("The token is another user's than the path's.")
            request.state.token_expires_at = identity.expires_at
            return await handle(request)

        return authenticated


def token_expires_at(request: Request) -> int:
    """Return when the token expires that a `UserRoute` has verified, in seconds since the epoch."""
    expires_at: int = request.state.token_expires_at
    return expires_at


async def _identity_of(request: Request, verifier: TokenVerifier) -> Identity:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise unauthenticated("Send a token in the header: Authorization: Bearer …")
    return await verified(verifier, token.strip())


async def verified(verifier: TokenVerifier, token: str) -> Identity:
    """Return the identity that a token proves.

    Raises:
        UnauthenticatedError: It proves none.
        JwksUnavailableError: Its issuer's keys cannot be had at the moment.
    """
    try:
        return await verifier.verify(token)
    except InvalidTokenError as error:
        challenge = f'Bearer realm="{REALM}", error="invalid_token", error_description="{error}"'
        raise UnauthenticatedError(f"Sign in again: {error}.", headers={"WWW-Authenticate": challenge}) from None


def unauthenticated(detail: str) -> UnauthenticatedError:
    """Make the error for a request without a token."""
    return UnauthenticatedError(detail, headers={"WWW-Authenticate": f'Bearer realm="{REALM}"'})


UserId = Annotated[str, Path(description="The user, as the token's `sub` names them.")]
"""The caller, verified by `UserRoute`."""

documented_bearer: Final = Depends(HTTPBearer(auto_error=False, description="The front end's JWT."))
"""Tells OpenAPI of the token; `UserRoute` is what checks it."""
