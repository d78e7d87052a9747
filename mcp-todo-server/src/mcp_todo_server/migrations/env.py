"""Alembic's entry: runs migrations on the connection that `mcp_todo_server.schema` hands over."""

from alembic import context

from mcp_todo_server.database import Table
from mcp_todo_server.effects import models as effect_models
from mcp_todo_server.schema import VERSION_TABLE
from mcp_todo_server.tasks import models as task_models
from mcp_todo_server.users import models as user_models

# Importing the models is what puts their tables into the metadata.
MODELS = (effect_models, task_models, user_models)

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Table.metadata,
    version_table=VERSION_TABLE,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
