"""`GET /api/{user_id}/usage`."""

from fastapi import APIRouter

from chat_api.auth import UserId, UserRoute, documented_bearer
from chat_api.dependencies import Usage
from chat_api.problems import COMMON_ERRORS, responses
from chat_api.usage.schemas import UsageReport

router = APIRouter(prefix="/api/{user_id}", tags=["usage"], route_class=UserRoute, dependencies=[documented_bearer])


@router.get("/usage", responses=responses(*COMMON_ERRORS))
async def read_usage(user_id: UserId, usage: Usage) -> UsageReport:
    """Read what the user has used, and of what they may use so much."""
    return UsageReport.of(await usage.read(user_id))
