-- Rolewright: everything the database should contain, in order.
--
--     psql -X -d DATABASE -f sql/install.sql
--
-- Runs in one transaction as a role with CREATEROLE and CREATE on the database; no superuser is needed.
-- This file is the table of contents: migrations are generated from it.

\set ON_ERROR_STOP on
\set QUIET on

BEGIN;

-- room: setup
\ir setup/guard.sql
\ir setup/roles.sql
\ir setup/schemas.sql

-- room: audit
\ir audit/audit_event.sql
\ir audit/context.sql
\ir audit/partitions.sql
\ir audit/triggers.sql

-- room: identity
\ir identity/provider.sql
\ir identity/user_info.sql
\ir identity/user_identity.sql
\ir identity/require.sql
\ir identity/claims.sql
\ir identity/provider_lifecycle.sql
\ir identity/user_lifecycle.sql
\ir identity/identity_lifecycle.sql
\ir identity/join.sql
\ir identity/login.sql
\ir identity/switch.sql
\ir identity/sync_staging.sql
\ir identity/sync_plan.sql
\ir identity/sync_apply.sql
\ir identity/sync.sql
\ir identity/views.sql

-- room: grouping
\ir grouping/tenant.sql
\ir grouping/tenant_lifecycle.sql
\ir grouping/user_group.sql
\ir grouping/group_lifecycle.sql
\ir grouping/membership.sql
\ir grouping/mapping.sql
\ir grouping/matching.sql
\ir grouping/effective_groups.sql
\ir grouping/views.sql

-- room: permission
\ir permission/permission.sql
\ir permission/permission_cache.sql
\ir permission/model_triggers.sql
\ir permission/mapped_ways.sql
\ir permission/cache.sql
\ir permission/check.sql
\ir permission/permission_lifecycle.sql
\ir permission/perm_set_lifecycle.sql
\ir permission/assignment_lifecycle.sql
\ir permission/effective_permissions.sql
\ir permission/explain.sql
\ir permission/ensure.sql
\ir permission/ensure_groups.sql

-- room: role
\ir role/change.sql
\ir role/database_role.sql
\ir role/require_role.sql
\ir role/statements.sql
\ir role/desired.sql
\ir role/plan.sql
\ir role/apply.sql
\ir role/follow.sql
\ir role/bind.sql
\ir role/adopt.sql
\ir role/scram.sql
\ir role/attributes.sql
\ir role/provider_attributes.sql
\ir role/relationship.sql
\ir role/leave.sql
\ir role/dependencies.sql
\ir role/proof.sql
\ir role/removal_script.sql
\ir role/removal.sql
\ir role/delete.sql
\ir role/restore.sql

-- room: grant
\ir grant/role_declaration.sql
\ir grant/kind.sql
\ir grant/declaration.sql
\ir grant/resolve.sql
\ir grant/object.sql
\ir grant/authority.sql
\ir grant/runs_as_owner.sql
\ir grant/intermediate.sql
\ir grant/step.sql
\ir grant/drop_unused.sql
\ir grant/planned_roles.sql
\ir grant/missing.sql
\ir grant/plan.sql
\ir grant/role_steps.sql
\ir grant/password_salts.sql
\ir grant/difference.sql
\ir grant/script.sql
\ir grant/apply.sql
\ir grant/declare.sql
\ir grant/dump.sql
\ir grant/object_name.sql
\ir grant/explain_access.sql
\ir grant/who_can.sql
\ir grant/remaining_access.sql

COMMIT;
