"""A counter of changes for each user, which those who follow a user's tasks compare.

Revision: 0005. The service's previous version goes on writing rows without naming the column; what it changes
is not told to anybody.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the counter."""
    op.add_column("users", sa.Column("changes", sa.BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    """Drop the counter."""
    op.drop_column("users", "changes")
