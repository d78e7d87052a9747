"""Users as this server knows them: a counter, a zone, and from when on their tokens count."""
