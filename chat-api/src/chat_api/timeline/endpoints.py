"""`/api/{user_id}/runs/{run_id}/timeline`: one run, step by step."""

from fastapi import APIRouter

from chat_api.auth import UserId, UserRoute, documented_bearer
from chat_api.dependencies import Timelines
from chat_api.problems import COMMON_ERRORS, responses
from chat_api.runs.problems import RunNotFoundError
from chat_api.runs.schemas import RunId
from chat_api.timeline.schemas import Timeline

router = APIRouter(prefix="/api/{user_id}", tags=["runs"], route_class=UserRoute, dependencies=[documented_bearer])


@router.get(
    "/runs/{run_id}/timeline",
    responses=responses(*COMMON_ERRORS, RunNotFoundError),
    response_model_exclude_unset=True,
)
async def read_timeline(user_id: UserId, run_id: RunId, timelines: Timelines) -> Timeline:
    """Read what a run did when: model calls, tool calls, journal entries, waits, attempts, and the end of each.

    Times are those that were measured by the process that took the step; what was not measured is null.
    """
    return Timeline.of(await timelines.get(user_id, run_id))
