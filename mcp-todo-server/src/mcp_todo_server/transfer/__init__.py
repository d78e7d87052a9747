"""Transfer: a user's whole list out of the server and into it, as a file."""
