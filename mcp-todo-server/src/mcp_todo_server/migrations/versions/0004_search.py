"""Words of tasks, to search by, and an index of them: GIN on PostgreSQL, FTS5 on SQLite.

Revision: 0004. The service's previous version goes on writing, and searching in, `search_text`: there upkeep finds
the tasks that it wrote, and it finds by a query no others.

On PostgreSQL tasks can be read meanwhile; who writes one waits until all have their words, which takes about a second
for ten thousand.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from mcp_todo_server.tasks.models import Words
from mcp_todo_server.tasks.text import fold
from mcp_todo_server.tasks.words import words

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BATCH_ROWS = 1000
TASKS = sa.table(
    "tasks",
    sa.column("user_id", sa.String),
    sa.column("task_id", sa.BigInteger),
    sa.column("title", sa.String),
    sa.column("description", sa.Text),
    sa.column("search_text", sa.Text),
    sa.column("words", Words()),
)
# The first word of a task is its alone, which finds the task's row; were a column of the FTS5 table to be compared,
# all its rows would be read.
FORGET = """
    DELETE FROM task_search
    WHERE task_search MATCH '"' || ifnull(substr(old.words, 2, instr(substr(old.words || ' ', 2), ' ') - 1), '') || '"'
    AND user_id = old.user_id AND task_id = old.task_id;
"""
REMEMBER = "INSERT INTO task_search (words, user_id, task_id) SELECT new.words, new.user_id, new.task_id"
SQLITE = (
    # The ascii tokenizer leaves every character beyond ASCII as it is, and of those within it words hold only
    # letters and digits: so it splits at the spaces, and changes nothing.
    "CREATE VIRTUAL TABLE task_search USING fts5 (words, user_id UNINDEXED, task_id UNINDEXED, tokenize = 'ascii')",
    "INSERT INTO task_search (words, user_id, task_id) SELECT words, user_id, task_id FROM tasks",
    f"CREATE TRIGGER tasks_search_insert AFTER INSERT ON tasks WHEN new.words IS NOT NULL BEGIN {REMEMBER}; END",
    f"CREATE TRIGGER tasks_search_update AFTER UPDATE OF words ON tasks WHEN old.words IS NOT new.words "
    f"BEGIN {FORGET} {REMEMBER} WHERE new.words IS NOT NULL; END",
    f"CREATE TRIGGER tasks_search_delete AFTER DELETE ON tasks WHEN old.words IS NOT NULL BEGIN {FORGET} END",
)


def upgrade() -> None:
    """Add the column, fill it, make the index."""
    if not on_sqlite():
        # Readers go on. A writer would hold rows that the filling then waits for, and wait itself for the index.
        op.execute("LOCK TABLE tasks IN EXCLUSIVE MODE")
    change_rows(
        lambda row: {"words": words(row.user_id, row.task_id, row.title, row.description), "search_text": ""},
    )
    op.create_index("ix_tasks_unsplit", "tasks", ["user_id", "task_id"], **where("search_text <> ''"))
    if on_sqlite():
        for statement in SQLITE:
            op.execute(statement)
    else:
        op.create_index(
            "ix_tasks_words", "tasks", ["words"], postgresql_using="gin", postgresql_with={"fastupdate": "off"}
        )


def downgrade() -> None:
    """Drop both, and give the previous version back what it searches in."""
    if on_sqlite():
        for event in ("insert", "update", "delete"):
            op.execute(f"DROP TRIGGER tasks_search_{event}")
        op.drop_table("task_search")
    else:
        op.drop_index("ix_tasks_words", "tasks")
    op.drop_index("ix_tasks_unsplit", "tasks")
    change_rows(lambda row: {"search_text": fold(f"{row.title}\n{row.description or ''}"), "words": None})


def on_sqlite() -> bool:
    """Tell which kind of database it is."""
    return op.get_bind().dialect.name == "sqlite"


def where(condition: str) -> dict[str, Any]:
    """Return the options of a partial index."""
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


def change_rows(values: Callable[[sa.Row[Any]], dict[str, Any]]) -> None:
    """Give every task the values that are worked out from its row."""
    connection = op.get_bind()
    for rows in batches(connection):
        changes = [{"of_user": row.user_id, "of_task": row.task_id, **values(row)} for row in rows]
        statement = sa.update(TASKS).where(
            TASKS.c.user_id == sa.bindparam("of_user"), TASKS.c.task_id == sa.bindparam("of_task")
        )
        columns = changes[0].keys() - {"of_user", "of_task"}
        connection.execute(statement.values({name: sa.bindparam(name) for name in columns}), changes)


def batches(connection: sa.Connection) -> Iterator[Sequence[Any]]:
    """Read the tasks, a bounded number at a time."""
    key = sa.tuple_(TASKS.c.user_id, TASKS.c.task_id)
    query = sa.select(TASKS.c.user_id, TASKS.c.task_id, TASKS.c.title, TASKS.c.description)
    query = query.order_by(TASKS.c.user_id, TASKS.c.task_id).limit(BATCH_ROWS)
    rows = connection.execute(query).all()
    while rows:
        yield rows
        rows = connection.execute(query.where(key > sa.tuple_(rows[-1].user_id, rows[-1].task_id))).all()
