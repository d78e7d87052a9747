"""Dates in sentences: which words are a date, and what they mean."""

from chat_api.agent.offline.dates.find import FoundWhen, find_when
from chat_api.agent.offline.dates.periods import FoundPeriod, find_period

__all__ = ["FoundPeriod", "FoundWhen", "find_period", "find_when"]
