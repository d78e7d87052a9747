"""Sentences, read into intents."""

from chat_api.agent.offline.grammar.sentences import read_sentence

__all__ = ["read_sentence"]
