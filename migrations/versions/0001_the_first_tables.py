"""The first tables."""

import sqlalchemy as sa
from alembic import op

from core.database import Database
from core.types import Amount, LongBytes, LongText, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None
phase = "add"

MYSQL = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    # Numbers and keys differ by case; MySQL's default collations would call them equal.
    "mysql_collate": "utf8mb4_bin",
}
WHERE_DUE = {
    "postgresql_where": sa.text("due_at IS NOT NULL"),
    "sqlite_where": sa.text("due_at IS NOT NULL"),
}
HISTORY = ("status_events", "push_attempts")


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("holder", sa.String(length=200), nullable=True),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
        **MYSQL,
    )
    op.create_table(
        "providers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=True),
        sa.Column("is_idempotent", sa.Boolean(), nullable=False),
        sa.Column("auth_ref", sa.String(length=500), nullable=True),
        sa.Column("callback_profile", sa.String(length=40), nullable=False),
        sa.Column("callback_secret_refs", sa.JSON(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("state_reason", sa.String(length=500), nullable=True),
        sa.Column("alarm", sa.String(length=500), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("closed_until", UtcDateTime(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_providers"),
        sa.UniqueConstraint("code", name="uq_providers_code"),
        **MYSQL,
    )
    op.create_table(
        "callbacks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", LongBytes, nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("dedupe_key", sa.String(length=255), nullable=False),
        sa.Column("conflict_sha256", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.Column("provider_status", sa.String(length=100), nullable=True),
        sa.Column("delivery_id", sa.Uuid(), nullable=True),
        sa.Column("occurred_at", UtcDateTime(), nullable=True),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("look_count", sa.Integer(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["provider_id"], ["providers.id"], name="fk_callbacks_provider_id"),
        sa.PrimaryKeyConstraint("id", name="pk_callbacks"),
        sa.UniqueConstraint(
            "provider_id", "dedupe_key", name="uq_callbacks_provider_id_dedupe_key"
        ),
        **MYSQL,
    )
    op.create_index("ix_callbacks_delivery_id", "callbacks", ["delivery_id"], unique=False)
    op.create_index("ix_callbacks_due", "callbacks", ["due_at"], unique=False, **WHERE_DUE)

    op.create_table(
        "sources",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("environment", sa.String(length=10), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=True),
        sa.Column("is_disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["provider_id"], ["providers.id"], name="fk_sources_provider_id"),
        sa.PrimaryKeyConstraint("id", name="pk_sources"),
        sa.UniqueConstraint("name", name="uq_sources_name"),
        **MYSQL,
    )
    op.create_table(
        "status_mappings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("provider_status", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["providers.id"], name="fk_status_mappings_provider_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_status_mappings"),
        sa.UniqueConstraint(
            "provider_id", "provider_status", name="uq_status_mappings_provider_id_provider_status"
        ),
        **MYSQL,
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("environment", sa.String(length=10), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("last_used_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_api_keys_source_id"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("prefix", name="uq_api_keys_prefix"),
        **MYSQL,
    )
    op.create_index("ix_api_keys_source_id", "api_keys", ["source_id"], unique=False)

    op.create_table(
        "idempotency_records",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("operation", sa.String(length=100), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("status_code", sa.SmallInteger(), nullable=False),
        sa.Column("answer", LongText, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.id"], name="fk_idempotency_records_source_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_idempotency_records"),
        sa.UniqueConstraint(
            "source_id", "operation", "key", name="uq_idempotency_records_source_id_operation_key"
        ),
        **MYSQL,
    )
    op.create_index(
        "ix_idempotency_records_created_at", "idempotency_records", ["created_at"], unique=False
    )

    op.create_table(
        "invoices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("issue_date", sa.Date(), nullable=False),
        sa.Column("issue_year", sa.SmallInteger(), nullable=False),
        sa.Column("type_code", sa.String(length=3), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("due_date", sa.Date(), nullable=True),
        sa.Column("buyer_reference", sa.String(length=200), nullable=True),
        sa.Column("seller_key", sa.String(length=300), nullable=False),
        sa.Column("seller_name", sa.String(length=300), nullable=False),
        sa.Column("seller_id", sa.String(length=120), nullable=True),
        sa.Column("seller_email", sa.String(length=320), nullable=True),
        sa.Column("buyer_name", sa.String(length=300), nullable=False),
        sa.Column("buyer_id", sa.String(length=120), nullable=True),
        sa.Column("buyer_email", sa.String(length=320), nullable=True),
        sa.Column("buyer_address", sa.String(length=1000), nullable=True),
        sa.Column("payable_amount", Amount(), nullable=False),
        sa.Column("tax_amount", Amount(), nullable=True),
        sa.Column("line_count", sa.Integer(), nullable=False),
        sa.Column("syntax", sa.String(length=10), nullable=False),
        sa.Column("customization_id", sa.String(length=300), nullable=True),
        sa.Column("external_id", sa.String(length=120), nullable=True),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("status_sequence", sa.Integer(), nullable=False),
        sa.Column("current_delivery_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_invoices_source_id"),
        sa.PrimaryKeyConstraint("id", name="pk_invoices"),
        sa.UniqueConstraint("source_id", "external_id", name="uq_invoices_source_id_external_id"),
        sa.UniqueConstraint(
            "source_id",
            "seller_key",
            "number",
            "type_code",
            "issue_year",
            name="uq_invoices_number",
        ),
        **MYSQL,
    )
    op.create_index("ix_invoices_newest", "invoices", ["source_id", "id"], unique=False)
    op.create_index("ix_invoices_number_search", "invoices", ["source_id", "number"], unique=False)

    op.create_table(
        "reports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("week", sa.String(length=8), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("invoice_count", sa.Integer(), nullable=False),
        sa.Column("payable_amount", Amount(), nullable=False),
        sa.Column("tax_amount", Amount(), nullable=False),
        sa.Column("computed_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_reports_source_id"),
        sa.PrimaryKeyConstraint("id", name="pk_reports"),
        sa.UniqueConstraint(
            "week",
            "source_id",
            "currency",
            "status",
            name="uq_reports_week_source_id_currency_status",
        ),
        **MYSQL,
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("event_types", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("state_reason", sa.String(length=500), nullable=True),
        sa.Column("secret_numbers", sa.JSON(), nullable=False),
        sa.Column("old_secret_until", UtcDateTime(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("closed_until", UtcDateTime(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_subscriptions_source_id"),
        sa.PrimaryKeyConstraint("id", name="pk_subscriptions"),
        **MYSQL,
    )
    op.create_index("ix_subscriptions_source_id", "subscriptions", ["source_id"], unique=False)

    op.create_table(
        "documents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("body", LongBytes, nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name="fk_documents_invoice_id"),
        sa.PrimaryKeyConstraint("id", name="pk_documents"),
        sa.UniqueConstraint("invoice_id", "role", name="uq_documents_invoice_id_role"),
        **MYSQL,
    )
    op.create_table(
        "pushes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("replay", sa.Integer(), nullable=False),
        sa.Column("event_type", sa.String(length=40), nullable=False),
        sa.Column("payload", LongText, nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("attempt_count", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name="fk_pushes_subscription_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_pushes"),
        sa.UniqueConstraint(
            "event_id",
            "subscription_id",
            "replay",
            name="uq_pushes_event_id_subscription_id_replay",
        ),
        **MYSQL,
    )
    op.create_index(
        "ix_pushes_due", "pushes", ["subscription_id", "due_at"], unique=False, **WHERE_DUE
    )

    op.create_table(
        "status_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("from_status", sa.String(length=20), nullable=True),
        sa.Column("to_status", sa.String(length=20), nullable=False),
        sa.Column("cause", sa.String(length=20), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=True),
        sa.Column("actor", sa.String(length=200), nullable=True),
        sa.Column("note", sa.String(length=2000), nullable=True),
        sa.Column("occurred_at", UtcDateTime(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoices.id"], name="fk_status_events_invoice_id"
        ),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_status_events_source_id"),
        sa.PrimaryKeyConstraint("id", name="pk_status_events"),
        sa.UniqueConstraint("invoice_id", "sequence", name="uq_status_events_invoice_id_sequence"),
        **MYSQL,
    )
    op.create_index("ix_status_events_feed", "status_events", ["source_id", "id"], unique=False)

    op.create_table(
        "deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=True),
        sa.Column("recipient", sa.String(length=320), nullable=True),
        sa.Column("origin", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("attempt_count", sa.Integer(), nullable=False),
        sa.Column("provider_reference", sa.String(length=200), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name="fk_deliveries_document_id"
        ),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name="fk_deliveries_invoice_id"),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["providers.id"], name="fk_deliveries_provider_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        **MYSQL,
    )
    op.create_index(
        "ix_deliveries_due", "deliveries", ["provider_id", "due_at"], unique=False, **WHERE_DUE
    )
    op.create_index("ix_deliveries_invoice_id", "deliveries", ["invoice_id"], unique=False)
    op.create_index(
        "ix_deliveries_reference",
        "deliveries",
        ["provider_id", "provider_reference"],
        unique=False,
        postgresql_where=sa.text("provider_reference IS NOT NULL"),
        sqlite_where=sa.text("provider_reference IS NOT NULL"),
    )

    op.create_table(
        "push_attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("push_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(length=500), nullable=True),
        sa.Column("response", sa.String(length=2000), nullable=True),
        sa.ForeignKeyConstraint(["push_id"], ["pushes.id"], name="fk_push_attempts_push_id"),
        sa.PrimaryKeyConstraint("id", name="pk_push_attempts"),
        sa.UniqueConstraint("push_id", "number", name="uq_push_attempts_push_id_number"),
        **MYSQL,
    )
    op.create_table(
        "attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("may_have_arrived", sa.Boolean(), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("provider_reference", sa.String(length=200), nullable=True),
        sa.Column("response", sa.String(length=2000), nullable=True),
        sa.Column("worker", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name="fk_attempts_delivery_id"),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
        sa.UniqueConstraint("delivery_id", "number", name="uq_attempts_delivery_id_number"),
        **MYSQL,
    )
    for table in HISTORY:
        for statement in engine_class().append_only(table):
            op.execute(statement)


def downgrade() -> None:
    for table in HISTORY:
        for statement in engine_class().not_append_only(table):
            op.execute(statement)
    op.drop_table("attempts")
    op.drop_table("push_attempts")
    op.drop_table("deliveries")
    op.drop_table("status_events")
    op.drop_table("pushes")
    op.drop_table("documents")
    op.drop_table("subscriptions")
    op.drop_table("reports")
    op.drop_table("invoices")
    op.drop_table("idempotency_records")
    op.drop_table("api_keys")
    op.drop_table("status_mappings")
    op.drop_table("sources")
    op.drop_table("callbacks")
    op.drop_table("providers")
    op.drop_table("leases")


def engine_class() -> type[Database]:
    """Return the class of the database that is migrated; it knows the engine's triggers."""
    database: Database = op.get_context().config.attributes["database"]
    return type(database)
