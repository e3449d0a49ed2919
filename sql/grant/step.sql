-- What a plan of grants is made of: auth.change with what it takes to carry it out.

CREATE TYPE unsecure.grant_step AS (
    phase       integer,
    action      text,
    role_name   text,
    object      text,
    head        text,
    target      text,
    preposition text,
    grantee     text,
    tail        text,
    reason      text,
    actor       text,
    borrowed    text[],
    problem     text,
    moved_kind  text,
    moved_oid   oid,
    is_careful  boolean
);

COMMENT ON TYPE unsecure.grant_step IS
    'One step of a plan. Its statement is head, target, preposition, grantee (public: PUBLIC) and tail; steps that differ in target and grantee '
    'alone are one statement. action NULL: for the work alone, and undone by another step. actor: the role to SET ROLE to; borrowed: the '
    'roles that the caller has to be a member of meanwhile. problem: why it cannot be done. moved_kind, moved_oid: what gets another owner; '
    'is_careful: and must not run anything with that one''s rights.';

CREATE OR REPLACE FUNCTION unsecure.step_statement(_step unsecure.grant_step)
RETURNS text
LANGUAGE sql
IMMUTABLE
RETURN (_step).head || coalesce(' ' || (_step).target, '') || coalesce((_step).preposition, '')
       || CASE (_step).grantee WHEN 'public' THEN 'PUBLIC' ELSE coalesce(quote_ident((_step).grantee), '') END || coalesce((_step).tail, '');

COMMENT ON FUNCTION unsecure.step_statement(unsecure.grant_step) IS 'The statement of one step.';

REVOKE ALL ON FUNCTION unsecure.step_statement(unsecure.grant_step) FROM PUBLIC;
