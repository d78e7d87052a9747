"""The API's shape of usage."""

import datetime as dt

from pydantic import BaseModel, Field

from chat_api.usage.service import Usages


class RunsUsed(BaseModel):
    """Runs of the present minute."""

    used: int
    limit: int
    resets_at: dt.datetime


class TokensUsed(BaseModel):
    """Tokens of the present day, UTC, as the provider counted them."""

    used: int = Field(description="Input and output tokens.")
    input_tokens: int
    output_tokens: int
    model_requests: int
    limit: int | None = Field(description="Null where there is none. Runs under way when it is reached may go over it.")
    resets_at: dt.datetime


class UsageReport(BaseModel):
    """What a user has used, and what of it they may."""

    runs_per_minute: RunsUsed
    tokens_per_day: TokensUsed

    @classmethod
    def of(cls, usages: Usages) -> "UsageReport":
        """Show counts and limits."""
        today = usages.today
        return cls(
            runs_per_minute=RunsUsed(used=usages.runs, limit=usages.runs_limit, resets_at=usages.runs_reset_at),
            tokens_per_day=TokensUsed(
                used=today.input_tokens + today.output_tokens,
                input_tokens=today.input_tokens,
                output_tokens=today.output_tokens,
                model_requests=today.requests,
                limit=usages.tokens_limit,
                resets_at=usages.tokens_reset_at,
            ),
        )
