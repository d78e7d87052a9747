"""Effects: what a tool call under an effect key did, kept so that a repeat answers alike and does nothing."""
