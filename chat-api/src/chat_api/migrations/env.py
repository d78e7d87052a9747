"""Alembic's entry: runs migrations on the connection that `chat_api.schema` hands over."""

from alembic import context

from chat_api.conversations import models as conversation_models
from chat_api.database import Table
from chat_api.idempotency import models as idempotency_models
from chat_api.journal import models as journal_models
from chat_api.messages import models as message_models
from chat_api.runs import models as run_models
from chat_api.schema import VERSION_TABLE
from chat_api.usage import models as usage_models

# Importing the models is what puts their tables into the metadata.
MODELS = (conversation_models, message_models, run_models, idempotency_models, journal_models, usage_models)

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
