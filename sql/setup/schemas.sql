-- auth is the API. unsecure holds what assumes that the caller was authorised before; nobody is granted it.

CREATE SCHEMA IF NOT EXISTS auth;
CREATE SCHEMA IF NOT EXISTS unsecure;

COMMENT ON SCHEMA auth IS
    'Rolewright: identity and access life cycle. Functions are the API; tables are for reading.';
COMMENT ON SCHEMA unsecure IS
    'Rolewright internals: functions that assume an authorised caller. Granted to nobody.';

REVOKE ALL ON SCHEMA auth, unsecure FROM PUBLIC;
GRANT USAGE ON SCHEMA auth TO rolewright_app, rolewright_operator, rolewright_auditor;
