"""The web pages: a conversation with the assistant beside the task list, and the timeline of a run."""
