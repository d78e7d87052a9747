"""Lists of tasks: what they hold, in which order, page by page, however many tasks there are."""
