"""Who is told of changes of tasks, whichever process made them."""
