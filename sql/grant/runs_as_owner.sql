-- Whoever owns a table, reckons what hangs on it: PostgreSQL does foreign keys, ANALYZE and indexes with the owner's rights, and with them casts,
-- expressions and functions that anybody may have made. There is no end to such ways, so this is a list of what is harmless.
CREATE OR REPLACE FUNCTION unsecure.is_plain_table(_table_oid oid)
RETURNS boolean
LANGUAGE sql
STABLE
AS $function$
    SELECT EXISTS (
        SELECT
        FROM pg_class c
        WHERE c.oid = _table_oid
          AND c.relkind IN ('r', 'p', 'f', 't')
          AND NOT c.relhasrules
          -- Who works on a parent or a partition, works on the other with its owner's rights.
          AND NOT EXISTS (SELECT FROM pg_inherits h WHERE c.oid IN (h.inhrelid, h.inhparent))
          AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND (NOT t.tgisinternal OR t.tgconstraint = 0))
          AND NOT EXISTS (SELECT FROM pg_policy o WHERE o.polrelid = c.oid)
          AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL))
          AND NOT EXISTS (SELECT FROM pg_statistic_ext s WHERE s.stxrelid = c.oid AND s.stxexprs IS NOT NULL)
          AND NOT EXISTS (SELECT FROM pg_partitioned_table p WHERE p.partrelid = c.oid AND p.partexprs IS NOT NULL)
          AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c')
          -- Constants, sequences and the time.
          AND NOT EXISTS (
              SELECT FROM pg_attrdef d
              WHERE d.adrelid = c.oid
                AND pg_get_expr(d.adbin, d.adrelid) !~ ('^(nextval\(''[^'']*''::regclass\)|now\(\)|gen_random_uuid\(\)|CURRENT_[A-Z]+'
                                                        || '|(NULL|true|false|\(?-?[0-9.]+\)?|''[^'']*'')(::[a-z ]+(\([0-9, ]+\))?)?)$'))
          -- Types that PostgreSQL brings, here and at the other end of each foreign key.
          AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384)
          AND NOT EXISTS (
              SELECT
              FROM pg_constraint k
              JOIN pg_attribute a
                  ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey) OR a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey)
              WHERE k.contype = 'f' AND c.oid IN (k.conrelid, k.confrelid) AND a.atttypid >= 16384)
          -- Whoever may refer to it, or make triggers, can add to all this.
          AND NOT EXISTS (SELECT FROM aclexplode(c.relacl) AS x WHERE x.privilege_type IN ('REFERENCES', 'TRIGGER') AND x.grantee <> c.relowner)
          AND NOT EXISTS (SELECT
                          FROM pg_attribute a
                          CROSS JOIN LATERAL aclexplode(a.attacl) AS x
                          WHERE a.attrelid = c.oid AND x.privilege_type = 'REFERENCES' AND x.grantee <> c.relowner));
$function$;

COMMENT ON FUNCTION unsecure.is_plain_table(oid) IS 'Whether nothing but PostgreSQL''s own code can run with the rights of a table''s owner.';

CREATE OR REPLACE FUNCTION unsecure.runs_as_owner(
    _kind       text,
    _object_oid oid
)
RETURNS boolean
LANGUAGE sql
STABLE
RETURN CASE
    -- Aggregates call their functions as their owner.
    WHEN _kind IN ('function', 'procedure') THEN EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.oid = _object_oid AND (p.prosecdef OR p.prokind = 'a'))
    WHEN _kind = 'table' THEN NOT unsecure.is_plain_table(_object_oid)
    ELSE false
END;

COMMENT ON FUNCTION unsecure.runs_as_owner(text, oid) IS 'Whether something may run somebody''s code with the rights of its owner, whoever uses it.';

REVOKE ALL ON FUNCTION
    unsecure.is_plain_table(oid),
    unsecure.runs_as_owner(text, oid)
FROM PUBLIC;
