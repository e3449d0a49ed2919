-- The audit trail: one row per change and per login, written by the transaction that it tells of.
-- Nothing is granted but reading: rows come from triggers and definer functions, and only the owner could alter them.

CREATE TABLE auth.audit_event (
    audit_event_id    bigint GENERATED ALWAYS AS IDENTITY,
    occurred_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    event_code        text        NOT NULL,
    user_id           uuid,
    subject_type      text        NOT NULL,
    subject_id        uuid,
    session_user_name text        NOT NULL DEFAULT session_user,
    actor_user_id     uuid        DEFAULT nullif(current_setting('rolewright.user_id', true), '')::uuid,
    client_address    inet        DEFAULT inet_client_addr(),
    application_name  text        DEFAULT current_setting('application_name'),
    correlation_id    text        DEFAULT nullif(current_setting('rolewright.correlation_id', true), ''),
    xact              xid8        NOT NULL DEFAULT pg_current_xact_id(),
    before            jsonb,
    after             jsonb,
    -- By transaction, because that is how the trail is followed; rows come in nearly this order.
    CONSTRAINT audit_event_pkey PRIMARY KEY (xact, audit_event_id, occurred_at)
) PARTITION BY RANGE (occurred_at);

-- Catches rows of a month that has no partition yet, so that a forgotten maintenance job never stops a login.
CREATE TABLE auth.audit_event_default PARTITION OF auth.audit_event DEFAULT;

CREATE INDEX audit_event_user_id_idx ON auth.audit_event (user_id);
CREATE INDEX audit_event_occurred_at_idx ON auth.audit_event USING brin (occurred_at);

COMMENT ON TABLE auth.audit_event IS
    'One row per change and per login. Partitioned by month: see auth.maintain_audit_partitions.';
COMMENT ON COLUMN auth.audit_event.event_code IS
    'Stable code, subject.verb. provider, user, identity, tenant, group, mapping, permission, perm_set, assignment: created, updated, '
    'enabled, disabled, deleted, truncated; user: locked, unlocked too; identity: last_used too; member, set_permission: added, updated, '
    'removed, truncated; login: succeeded, refused; '
    'sync: applied; role (in the catalog): created, altered, granted, revoked, dropped, with the statement; emptied: what depended on it was '
    'removed (in another database: by the word of whoever did it); database_role (the registry), group_role, '
    'role_membership, protected_role: created, updated, deleted, truncated.';
COMMENT ON COLUMN auth.audit_event.user_id IS 'Whom it is about; not a foreign key, since the trail outlives the user.';
COMMENT ON COLUMN auth.audit_event.session_user_name IS 'The role that logged in to PostgreSQL.';
COMMENT ON COLUMN auth.audit_event.actor_user_id IS
    'The application user on whose behalf, as the application said by auth.set_audit_context.';
COMMENT ON COLUMN auth.audit_event.client_address IS 'NULL for a Unix-domain socket.';
COMMENT ON COLUMN auth.audit_event.xact IS
    'The writing transaction: rows with xact below pg_snapshot_xmin(pg_current_snapshot()) are complete, which is how to follow the trail.';
COMMENT ON COLUMN auth.audit_event.before IS 'Changed columns as they were; of provider_data only the names of the keys.';
COMMENT ON COLUMN auth.audit_event.after IS 'Changed columns as they are now; of provider_data only the names of the keys.';

REVOKE ALL ON auth.audit_event, auth.audit_event_default FROM PUBLIC;
GRANT SELECT ON auth.audit_event TO rolewright_operator, rolewright_auditor;
