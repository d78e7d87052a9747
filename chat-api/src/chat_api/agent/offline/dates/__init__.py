"""Dates in sentences: which words are a date, and what they mean."""

from chat_api.agent.offline.dates.find import FoundWhen, find_when
from chat_api.agent.offline.dates.periods import FoundPeriod, find_period
from chat_api.agent.offline.dates.repeats import FoundRepeat, find_repeat, repeat_words

__all__ = ["FoundPeriod", "FoundRepeat", "FoundWhen", "find_period", "find_repeat", "find_when", "repeat_words"]
