-- The statements that more than one plan makes.

CREATE OR REPLACE FUNCTION unsecure.grant_statement(
    _group_name     text,
    _role_name      text,
    _rolinherit     boolean,
    _inherit_option boolean,
    _set_option     boolean,
    _admin_option   boolean,
    _is_explicit    boolean DEFAULT false
)
RETURNS text
LANGUAGE sql
STABLE
RETURN format('GRANT %I TO %I', _group_name, _role_name) || CASE
    WHEN current_setting('server_version_num')::integer < 160000 THEN CASE WHEN _admin_option THEN ' WITH ADMIN OPTION' ELSE '' END
    WHEN NOT coalesce(_is_explicit, false) AND NOT _admin_option AND _set_option AND _inherit_option = _rolinherit THEN ''
    ELSE format(' WITH ADMIN %s, INHERIT %s, SET %s', upper(_admin_option::text), upper(_inherit_option::text), upper(_set_option::text))
END;

COMMENT ON FUNCTION unsecure.grant_statement(text, text, boolean, boolean, boolean, boolean, boolean) IS
    'GRANT of a membership. Options are spelt out where they are not the defaults (_rolinherit: the member''s attribute), or '
    '_is_explicit, which changes a grant that is there. PostgreSQL 15 and older know ADMIN alone.';

-- What a role is called between the moment in which nobody can grant it anything any more and its DROP ROLE; see delete.sql.
CREATE OR REPLACE FUNCTION unsecure.doomed_role_name(_role_oid oid)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN 'rolewright_deleted_' || _role_oid;

COMMENT ON FUNCTION unsecure.doomed_role_name(oid) IS 'The name of a role that is being deleted.';

-- Found by its oid, and found by its name, it has to be one role.
CREATE OR REPLACE FUNCTION unsecure.role_mismatch(
    _role_name   text,
    _role_oid    oid,
    _actual_name text,
    _named_oid   oid
)
RETURNS text
LANGUAGE sql
IMMUTABLE
AS $function$
    SELECT CASE
        WHEN _role_oid IS NULL AND _named_oid IS NOT NULL
            THEN 'a role of this name exists and is not managed; auth.adopt_role takes it under management'
        WHEN _actual_name IS NULL AND _named_oid IS NOT NULL
            THEN 'somebody dropped the role and made another one of this name; auth.adopt_role takes it under management'
        WHEN _actual_name <> _role_name AND _actual_name <> unsecure.doomed_role_name(_role_oid)
            THEN 'somebody renamed the role to ' || quote_ident(_actual_name)
    END;
$function$;

COMMENT ON FUNCTION unsecure.role_mismatch(text, oid, text, oid) IS
    'Why a role of the registry (name and oid) is not the one in the catalog: _actual_name is what the oid is called now, _named_oid what has '
    'the name; NULL: it is, or there is none.';

-- Lists of names are quoted one by one, as pg_dump does it (GUC_LIST_QUOTE).
CREATE OR REPLACE FUNCTION unsecure.is_list_setting(_name text)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN lower(_name) IN ('search_path', 'temp_tablespaces', 'session_preload_libraries', 'local_preload_libraries');

COMMENT ON FUNCTION unsecure.is_list_setting(text) IS 'Whether the value of a setting is a list of names.';

CREATE OR REPLACE FUNCTION unsecure.setting_elements(
    _name  text,
    _value jsonb
)
RETURNS text[]
LANGUAGE sql
IMMUTABLE
AS $function$
    SELECT CASE
        WHEN jsonb_typeof(_value) = 'array' THEN ARRAY(SELECT jsonb_array_elements_text(_value))
        WHEN NOT unsecure.is_list_setting(_name) OR btrim(_value #>> '{}') = '' THEN ARRAY[_value #>> '{}']
        ELSE ARRAY(SELECT CASE WHEN e.part[1] LIKE '"%' THEN replace(substr(e.part[1], 2, length(e.part[1]) - 2), '""', '"') ELSE btrim(e.part[1]) END
                   FROM regexp_matches(_value #>> '{}', '("(?:[^"]|"")*"|[^,"\s][^,"]*)', 'g') AS e (part))
    END;
$function$;

COMMENT ON FUNCTION unsecure.setting_elements(text, jsonb) IS 'The value of a setting, as the list that SET takes.';

CREATE OR REPLACE FUNCTION unsecure.setting_value(
    _name  text,
    _value jsonb
)
RETURNS text
LANGUAGE sql
IMMUTABLE
AS $function$
    SELECT CASE WHEN _value = 'null' THEN NULL
                WHEN unsecure.is_list_setting(_name)
                    THEN (SELECT string_agg(quote_ident(e), ', ' ORDER BY n)
                          FROM unnest(unsecure.setting_elements(_name, _value)) WITH ORDINALITY AS t (e, n))
                ELSE array_to_string(unsecure.setting_elements(_name, _value), ', ') END;
$function$;

COMMENT ON FUNCTION unsecure.setting_value(text, jsonb) IS 'The value of a setting, as pg_db_role_setting holds it; NULL: none.';

CREATE OR REPLACE FUNCTION unsecure.setting_statement(
    _role_name text,
    _database  text,
    _name      text,
    _value     jsonb
)
RETURNS text
LANGUAGE sql
STABLE
AS $function$
    SELECT format('ALTER ROLE %I', _role_name) || coalesce(' IN DATABASE ' || quote_ident(_database), '')
        || CASE WHEN _value = 'null' THEN format(' RESET %I', _name)
                ELSE format(' SET %I TO %s', _name,
                            (SELECT string_agg(quote_literal(e), ', ' ORDER BY n)
                             FROM unnest(unsecure.setting_elements(_name, _value)) WITH ORDINALITY AS t (e, n))) END;
$function$;

COMMENT ON FUNCTION unsecure.setting_statement(text, text, text, jsonb) IS
    'ALTER ROLE … SET or, for JSON null, RESET. _database NULL: in all of them.';

-- to_json writes ISO 8601 whatever the DateStyle is.
CREATE OR REPLACE FUNCTION unsecure.until_literal(_instant timestamptz)
RETURNS text
LANGUAGE sql
STABLE
RETURN quote_literal(coalesce(regexp_replace(to_json(_instant AT TIME ZONE 'UTC') #>> '{}', '^([0-9-]+)T([0-9:.]+)', '\1 \2+00'), 'infinity'));

COMMENT ON FUNCTION unsecure.until_literal(timestamptz) IS
    'For VALID UNTIL, the same in every session: ISO 8601 with an offset; NULL: infinity, which is how PostgreSQL takes an end away.';

REVOKE ALL ON FUNCTION
    unsecure.until_literal(timestamptz),
    unsecure.grant_statement(text, text, boolean, boolean, boolean, boolean, boolean),
    unsecure.doomed_role_name(oid),
    unsecure.role_mismatch(text, oid, text, oid),
    unsecure.is_list_setting(text),
    unsecure.setting_elements(text, jsonb),
    unsecure.setting_value(text, jsonb),
    unsecure.setting_statement(text, text, text, jsonb)
FROM PUBLIC;
