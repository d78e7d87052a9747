"""Alembic's entry: runs migrations on the connection that `mcp_todo_server.schema` hands over."""

from alembic import context

from mcp_todo_server.database import Table
from mcp_todo_server.effects import models as effect_models
from mcp_todo_server.schema import VERSION_TABLE
from mcp_todo_server.tasks import models as task_models
from mcp_todo_server.transfer import models as transfer_models
from mcp_todo_server.users import models as user_models

# Importing the models is what puts their tables into the metadata.
MODELS = (effect_models, task_models, transfer_models, user_models)


def is_compared(_item: object, name: str | None, _kind: str, _reflected: bool, _other: object) -> bool:
    """Leave out of `alembic check` what only one kind of database has, and models cannot say."""
    on_sqlite = connection.dialect.name == "sqlite"
    return not on_sqlite or not (name == "ix_tasks_words" or (name or "").startswith(task_models.SEARCH_TABLE))


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Table.metadata,
    version_table=VERSION_TABLE,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    compare_server_default=True,
    include_object=is_compared,
    # So that the locks of one do not last until the last is done. SQLite has one transaction around them all.
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
