"""Table of what users' model calls cost."""

import datetime as dt

from sqlalchemy import BigInteger, Column, Date, String
from sqlmodel import Field
from todo_chat_shared.tokens import USER_ID_MAX_CHARS

from chat_api.conversations.models import ZERO
from chat_api.database import Table


class DailyUsageRow(Table, table=True):
    """What one user's model calls cost on one day."""

    __tablename__ = "daily_usage"

    user_id: str = Field(sa_column=Column(String(USER_ID_MAX_CHARS), primary_key=True))
    day: dt.date = Field(sa_column=Column(Date, primary_key=True))
    """UTC."""
    model_requests: int = Field(sa_column=Column(BigInteger, nullable=False, server_default=ZERO))
    input_tokens: int = Field(sa_column=Column(BigInteger, nullable=False, server_default=ZERO))
    output_tokens: int = Field(sa_column=Column(BigInteger, nullable=False, server_default=ZERO))
