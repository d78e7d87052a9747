"""Write .env for docker-compose.yml: .env.example with every required value that it leaves empty filled in.

    python3 deploy/make_env.py [FILE]

Standard library only: it runs before anything is installed. An .env that exists is never touched, since
losing the database's passwords means losing the way into the database.
"""

import os
import re
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EMPTY_VALUE = re.compile(r"^([A-Z_]+)=$", re.MULTILINE)
SECRET_BYTES = 32


def filled_in(example: str) -> str:
    """Return `example` with a random hexadecimal text behind each `NAME=` that stands alone on its line."""
    return EMPTY_VALUE.sub(lambda match: f"{match[1]}={secrets.token_hex(SECRET_BYTES)}", example)


def main(arguments: list[str]) -> int:
    """Write the file and say so; exit code 1 where it exists already."""
    target = Path(arguments[0]) if arguments else ROOT / ".env"
    try:
        # It holds secrets: nobody else may read it, at no moment.
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        sys.stderr.write(f"error: {target.name} exists already; it is left as it is\n")
        return 1
    with os.fdopen(descriptor, "w") as file:
        file.write(filled_in((ROOT / ".env.example").read_text()))
    sys.stdout.write(f"{target.name} is written; start everything with: docker compose up --wait\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
