"""The built-in model that needs no key and no download: everyday English, read by rules."""

from chat_api.agent.offline.model import OfflineModel

__all__ = ["OfflineModel"]
