"""Messages: what was said in a conversation, in pairs of a user's words and the assistant's."""
