package consistency_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
)

// operation is a statement with random parts in braces; see part.
type operation struct {
	name   string
	sql    string
	weight int  // 0: 1
	undo   bool // too much to keep: always rolled back
}

// What has a function, through it.
var calls = []operation{
	{name: "login", weight: 8, sql: `SELECT auth.update_user_identity_on_login({provider}, {account}, {names}, {names?})`},
	{name: "login, nothing new", weight: 4, sql: `SELECT auth.update_user_identity_on_login(provider_id, provider_user_id) FROM auth.user_identity WHERE user_identity_id = {identity}`},
	{name: "ensure", weight: 5, sql: `SELECT auth.ensure_user_from_provider({provider}, {account}, _provider_groups => {names?}, _provider_roles => {names?})`},
	{name: "claims", weight: 3, sql: `SELECT auth.process_identity_claims(i.user_id, i.provider_id, jsonb_build_object('sub', i.provider_user_id, 'groups', to_jsonb({names}))) FROM auth.user_identity i WHERE i.user_identity_id = {identity}`},
	{name: "switch", weight: 4, sql: `SELECT auth.switch_active_identity(i.user_id, i.provider_id, i.user_identity_id) FROM auth.user_identity i WHERE i.user_identity_id = {identity}`},
	{name: "create identity", weight: 2, sql: `SELECT auth.create_user_identity({user}, {provider}, {account}, {names}, {names?})`},
	{name: "delete identity", sql: `SELECT auth.delete_user_identity({identity})`},
	{name: "disable identity", sql: `SELECT auth.disable_user_identity({identity})`},
	{name: "enable identity", weight: 2, sql: `SELECT auth.enable_user_identity(user_identity_id) FROM auth.user_identity WHERE NOT is_active`},
	{name: "disable user", sql: `SELECT auth.disable_user({user})`},
	{name: "enable user", weight: 3, sql: `SELECT auth.enable_user({user})`},
	{name: "lock user", sql: `SELECT auth.lock_user({user})`},
	{name: "unlock user", weight: 3, sql: `SELECT auth.unlock_user({user})`},
	{name: "delete user", sql: `SELECT auth.delete_user({user})`},
	{name: "create user", weight: 2, sql: `SELECT auth.create_user({newuser})`},
	{name: "disable provider", sql: `SELECT auth.disable_provider({provider})`},
	{name: "enable provider", weight: 3, sql: `SELECT auth.enable_provider({provider})`},
	{name: "update provider", weight: 2, sql: `SELECT auth.update_provider({provider}, _group_match => {match})`},
	{name: "delete provider", undo: true, sql: `SELECT auth.delete_provider({provider}, _delete_identities => true)`},
	{name: "sync", weight: 3, sql: `SELECT auth.sync_provider_identities({provider}, ARRAY[
		jsonb_build_object('provider_user_id', 'u1', 'groups', to_jsonb({names})),
		jsonb_build_object('provider_user_id', 'u2', 'groups', to_jsonb({names}), 'roles', to_jsonb({names})),
		jsonb_build_object('provider_user_id', 'u3', 'active', {bool}),
		jsonb_build_object('provider_user_id', {account4}, 'groups', to_jsonb({names}))],
		_create_missing => true, _disable_missing => {rarely}, _max_disable => 100)`},
	{name: "disable group", sql: `SELECT auth.disable_user_group({group})`},
	{name: "enable group", weight: 3, sql: `SELECT auth.enable_user_group({group})`},
	{name: "update group", weight: 2, sql: `SELECT auth.update_user_group({group}, _group_type => {type}, _drop => {bool})`},
	{name: "delete group", sql: `SELECT auth.delete_user_group({group})`},
	{name: "create group", weight: 6, sql: `SELECT auth.create_user_group({newgroup}, 'Group', {type}, NULL, {sometenant})`},
	{name: "create mapping", weight: 10, sql: `SELECT auth.create_group_mapping({group}, {provider}, {name}, {name?})`},
	{name: "create role mapping", weight: 5, sql: `SELECT auth.create_group_mapping({group}, {provider}, NULL, {name})`},
	{name: "delete mapping", weight: 2, sql: `SELECT auth.delete_group_mapping({mapping})`},
	{name: "add member", weight: 4, sql: `SELECT auth.add_group_member({group}, {user}, {end})`},
	{name: "remove member", sql: `SELECT auth.remove_group_member(user_group_id, user_id) FROM auth.user_group_member m WHERE (user_group_id, user_id) = {member}`},
	{name: "disable tenant", sql: `SELECT auth.disable_tenant({tenant})`},
	{name: "enable tenant", weight: 3, sql: `SELECT auth.enable_tenant({tenant})`},
	{name: "create permission", weight: 5, sql: `SELECT auth.create_permission({newcode})`},
	{name: "delete permission", sql: `SELECT auth.delete_permission({code}, {bool})`},
	{name: "create set", weight: 4, sql: `SELECT auth.create_perm_set({newset}, 'Set', {codes})`},
	{name: "add to set", weight: 2, sql: `SELECT auth.add_perm_set_permissions({setcode}, {codes})`},
	{name: "remove from set", sql: `SELECT auth.remove_perm_set_permissions({setcode}, {codes})`},
	{name: "delete set", sql: `SELECT auth.delete_perm_set({setcode}, {bool})`},
	{name: "assign to group", weight: 12, sql: `SELECT auth.assign_permission(_permission => {code}, _user_group_id => {group}, _tenant_id => {tenant?}, _valid_until => {end})`},
	{name: "assign set to group", weight: 6, sql: `SELECT auth.assign_permission(_perm_set => {setcode}, _user_group_id => {group}, _tenant_id => {tenant?}, _valid_until => {end})`},
	{name: "assign to user", weight: 2, sql: `SELECT auth.assign_permission(_permission => {code}, _user_id => {user}, _tenant_id => {tenant?}, _valid_until => {end})`},
	{name: "assign set to user", weight: 1, sql: `SELECT auth.assign_permission(_perm_set => {setcode}, _user_id => {user}, _tenant_id => {tenant?}, _valid_until => {end})`},
	{name: "unassign", weight: 3, sql: `SELECT auth.unassign_permission({assignment})`},
	{name: "fill cache", weight: 2, sql: `SELECT auth.fill_permission_cache({limit})`},
	{name: "clear cache", sql: `SELECT unsecure.clear_permission_cache({user})`},
	{name: "clear cache by provider", sql: `SELECT unsecure.clear_permission_cache_by_provider({provider})`},
	{name: "clear cache all", sql: `SELECT unsecure.clear_permission_cache_all()`},
}

// What a DBA may do in psql.
var statements = []operation{
	{name: "UPDATE identity last used", weight: 2, sql: `UPDATE auth.user_identity SET is_last_used = true WHERE user_identity_id = {identity}`},
	{name: "UPDATE identity not last used", sql: `UPDATE auth.user_identity SET is_last_used = false WHERE user_id = {user}`},
	{name: "UPDATE identity names", weight: 2, sql: `UPDATE auth.user_identity SET provider_groups = {names?}, provider_roles = {names?} WHERE user_identity_id = {identity}`},
	{name: "UPDATE identities names", sql: `UPDATE auth.user_identity SET provider_groups = array_append(provider_groups, {name}), provider_roles = provider_groups WHERE provider_id = {provider}`},
	{name: "UPDATE identity provider", sql: `UPDATE auth.user_identity SET provider_id = {provider}, provider_user_id = {account} WHERE user_identity_id = {identity}`},
	{name: "UPDATE identity user", weight: 2, sql: `UPDATE auth.user_identity SET user_id = {user} WHERE user_identity_id = {identity}`},
	{name: "UPDATE identity user and last used", sql: `UPDATE auth.user_identity SET user_id = {user}, is_last_used = {bool}, provider_groups = {names} WHERE user_identity_id = {identity}`},
	{name: "UPDATE identity active", sql: `UPDATE auth.user_identity SET is_active = {mostly}, is_disabled_by_feed = false WHERE user_identity_id = {identity}`},
	{name: "UPDATE identity ways", weight: 2, sql: `UPDATE auth.user_identity SET mapped_ways = ARRAY(SELECT mapping_no::text FROM auth.user_group_mapping), mapped_until = 1000000 WHERE user_id = {user}`},
	{name: "UPDATE identity until", sql: `UPDATE auth.user_identity SET mapped_until = 1000000 WHERE provider_id = {provider}`},
	{name: "UPDATE identity ways NULL", sql: `UPDATE auth.user_identity SET mapped_ways = NULL WHERE user_identity_id = {identity}`},
	{name: "INSERT identity", weight: 2, sql: `INSERT INTO auth.user_identity (user_id, provider_id, provider_user_id, provider_groups, is_last_used, mapped_ways, mapped_until)
		VALUES ({user}, {provider}, {account}, {names}, {bool}, ARRAY(SELECT mapping_no::text FROM auth.user_group_mapping), 1000000)
		ON CONFLICT (provider_id, provider_user_id) DO UPDATE SET is_last_used = excluded.is_last_used, mapped_ways = '{1,2,3}', mapped_until = 1000000`},
	{name: "DELETE identity", sql: `DELETE FROM auth.user_identity WHERE user_identity_id = {identity}`},
	{name: "UPDATE user", weight: 3, sql: `UPDATE auth.user_info SET is_active = {mostly}, is_locked = {rarely} WHERE user_id = {user}`},
	{name: "UPDATE users", weight: 2, sql: `UPDATE auth.user_info SET is_active = true, is_locked = false WHERE NOT is_active OR is_locked`},
	{name: "UPDATE mapping name", weight: 2, sql: `UPDATE auth.user_group_mapping SET external_group_name = {name}, external_role_name = {name?} WHERE user_group_mapping_id = {mapping}`},
	{name: "UPDATE mapping provider", sql: `UPDATE auth.user_group_mapping SET provider_id = {provider} WHERE user_group_mapping_id = {mapping}`},
	{name: "UPDATE mapping active", weight: 2, sql: `UPDATE auth.user_group_mapping SET is_active = {mostly} WHERE user_group_mapping_id = {mapping}`},
	{name: "UPDATE mapping group", weight: 2, sql: `UPDATE auth.user_group_mapping SET user_group_id = {group} WHERE user_group_mapping_id = {mapping}`},
	{name: "UPDATE mapping number", sql: `UPDATE auth.user_group_mapping SET mapping_no = DEFAULT WHERE user_group_mapping_id = {mapping}`},
	{name: "INSERT mapping", weight: 2, sql: `INSERT INTO auth.user_group_mapping (user_group_id, provider_id, external_group_name, is_active) VALUES ({group}, {provider}, {name}, {mostly}), ({group}, {provider}, {name}, {mostly})`},
	{name: "DELETE mapping", sql: `DELETE FROM auth.user_group_mapping WHERE user_group_mapping_id = {mapping}`},
	{name: "UPDATE group", weight: 3, sql: `UPDATE auth.user_group SET group_type = {type}, is_active = {mostly}, tenant_id = {sometenant} WHERE user_group_id = {group}`},
	{name: "UPDATE groups", sql: `UPDATE auth.user_group SET is_active = true, group_type = 'hybrid'`},
	{name: "DELETE groups", undo: true, sql: `DELETE FROM auth.user_group g WHERE NOT EXISTS (SELECT FROM auth.permission_assignment a WHERE a.user_group_id = g.user_group_id)
		AND NOT EXISTS (SELECT FROM auth.user_group_mapping a WHERE a.user_group_id = g.user_group_id) AND NOT EXISTS (SELECT FROM auth.user_group_member a WHERE a.user_group_id = g.user_group_id)`},
	{name: "INSERT member", weight: 2, sql: `INSERT INTO auth.user_group_member VALUES ({group}, {user}, {end}) ON CONFLICT DO NOTHING`},
	{name: "UPDATE member", sql: `UPDATE auth.user_group_member SET user_group_id = {group}, user_id = {user}, valid_until = {end} WHERE (user_group_id, user_id) = {member}`},
	{name: "UPDATE member end", sql: `UPDATE auth.user_group_member SET valid_until = {end} WHERE (user_group_id, user_id) = {member}`},
	{name: "DELETE member", sql: `DELETE FROM auth.user_group_member WHERE (user_group_id, user_id) = {member}`},
	{name: "INSERT permission", weight: 2, sql: `INSERT INTO auth.permission (code) VALUES ({code}), ({code}) ON CONFLICT DO NOTHING`},
	{name: "DELETE permission", sql: `DELETE FROM auth.permission p WHERE p.code IN ({code}, {code}) AND NOT EXISTS (SELECT FROM auth.permission_assignment a WHERE a.permission_code = p.code)
		AND NOT EXISTS (SELECT FROM auth.perm_set_permission s WHERE s.permission_code = p.code)`},
	{name: "UPDATE permission code", weight: 3, sql: `UPDATE auth.permission SET code = {newcode} WHERE code = {freecode}`},
	{name: "INSERT set permission", weight: 2, sql: `INSERT INTO auth.perm_set_permission (perm_set_id, permission_code) VALUES ({set}, {code}), ({set}, {code})`},
	{name: "UPDATE set permission", weight: 3, sql: `UPDATE auth.perm_set_permission SET permission_code = {code} WHERE (perm_set_id, permission_code) = {inset}`},
	{name: "UPDATE set permission set", weight: 4, sql: `UPDATE auth.perm_set_permission SET perm_set_id = {set} WHERE (perm_set_id, permission_code) = {inset}`},
	{name: "DELETE set permission", sql: `DELETE FROM auth.perm_set_permission WHERE perm_set_id = {set} AND permission_code = {code}`},
	{name: "INSERT assignment", weight: 2, sql: `INSERT INTO auth.permission_assignment (tenant_id, user_group_id, permission_code, valid_until) VALUES ({tenant}, {group}, {code}, {end}), ({tenant}, {group}, {code}, {end})`},
	{name: "INSERT assignment of set", sql: `INSERT INTO auth.permission_assignment (tenant_id, user_group_id, perm_set_id, valid_until) VALUES ({tenant}, {group}, {set}, {end})`},
	{name: "UPDATE assignment group", sql: `UPDATE auth.permission_assignment SET user_group_id = {group}, user_id = NULL WHERE assignment_id = {assignment}`},
	{name: "UPDATE assignment user", sql: `UPDATE auth.permission_assignment SET user_group_id = NULL, user_id = {user} WHERE assignment_id = {assignment}`},
	{name: "UPDATE assignment tenant", sql: `UPDATE auth.permission_assignment SET tenant_id = {tenant} WHERE assignment_id = {assignment}`},
	{name: "UPDATE assignment code", sql: `UPDATE auth.permission_assignment SET permission_code = {code}, perm_set_id = NULL WHERE assignment_id = {assignment}`},
	{name: "UPDATE assignment set", sql: `UPDATE auth.permission_assignment SET permission_code = NULL, perm_set_id = {set} WHERE assignment_id = {assignment}`},
	{name: "UPDATE assignment end", sql: `UPDATE auth.permission_assignment SET valid_until = {end} WHERE assignment_id = {assignment}`},
	{name: "DELETE assignment", sql: `DELETE FROM auth.permission_assignment WHERE assignment_id = {assignment}`},
	{name: "UPDATE tenant", sql: `UPDATE auth.tenant SET is_active = {mostly} WHERE tenant_id = {tenant}`},
	{name: "UPDATE tenants", sql: `UPDATE auth.tenant SET is_active = true`},
	{name: "UPDATE provider", weight: 2, sql: `UPDATE auth.provider SET is_active = {mostly}, group_match = {match} WHERE provider_id = {provider}`},
	{name: "UPDATE providers", sql: `UPDATE auth.provider SET is_active = NOT is_active, group_match = {match}`},

	{name: "WITH mapping to member", sql: `WITH gone AS (DELETE FROM auth.user_group_mapping WHERE user_group_mapping_id = {mapping} RETURNING user_group_id)
		INSERT INTO auth.user_group_member SELECT user_group_id, {user}, {end} FROM gone ON CONFLICT DO NOTHING`},
	{name: "WITH group and assignment", sql: `WITH g AS (UPDATE auth.user_group SET is_active = {bool} WHERE user_group_id = {group})
		UPDATE auth.permission_assignment SET user_group_id = {group} WHERE assignment_id = {assignment} AND user_group_id IS NOT NULL`},
	{name: "WITH mapping and identity", weight: 2, sql: `WITH m AS (UPDATE auth.user_group_mapping SET external_group_name = {name} WHERE user_group_mapping_id = {mapping})
		UPDATE auth.user_identity SET provider_groups = {names}, is_last_used = true WHERE user_identity_id = {identity}`},
	{name: "WITH identity and mapping", weight: 2, sql: `WITH i AS (UPDATE auth.user_identity SET provider_groups = {names} WHERE user_identity_id = {identity} RETURNING provider_id)
		INSERT INTO auth.user_group_mapping (user_group_id, provider_id, external_group_name) SELECT {group}, provider_id, {name} FROM i`},
	{name: "WITH user and identity", weight: 2, sql: `WITH u AS (UPDATE auth.user_info SET is_active = {mostly} WHERE user_id = {user} RETURNING user_id)
		UPDATE auth.user_identity SET provider_groups = {names}, is_last_used = true WHERE user_identity_id = {identity}`},
	{name: "WITH permission and set", sql: `WITH p AS (SELECT {code} AS code), s AS (DELETE FROM auth.perm_set_permission WHERE permission_code IN (SELECT code FROM p)),
		a AS (DELETE FROM auth.permission_assignment WHERE permission_code IN (SELECT code FROM p)) UPDATE auth.permission SET code = {newcode} WHERE code IN (SELECT code FROM p)`},
	{name: "WITH whole group", sql: `WITH a AS (DELETE FROM auth.permission_assignment WHERE user_group_id = {group}), m AS (DELETE FROM auth.user_group_mapping WHERE user_group_id = {group})
		INSERT INTO auth.permission_assignment (user_group_id, permission_code, tenant_id) VALUES ({group}, {code}, {tenant})`},

	{name: "TRUNCATE mapping", undo: true, sql: `TRUNCATE auth.user_group_mapping`},
	{name: "TRUNCATE assignment", undo: true, sql: `TRUNCATE auth.permission_assignment`},
	{name: "TRUNCATE set permission", undo: true, sql: `TRUNCATE auth.perm_set_permission`},
	{name: "TRUNCATE permission", undo: true, sql: `TRUNCATE auth.permission CASCADE`},
	{name: "TRUNCATE member", undo: true, sql: `TRUNCATE auth.user_group_member`},
	{name: "TRUNCATE identity", undo: true, sql: `TRUNCATE auth.user_identity`},
	{name: "TRUNCATE group", undo: true, sql: `TRUNCATE auth.user_group CASCADE`},
	{name: "TRUNCATE provider", undo: true, sql: `TRUNCATE auth.provider CASCADE`},
	{name: "TRUNCATE tenant", undo: true, sql: `TRUNCATE auth.tenant CASCADE`},
}

// The model; of users, groups, sets and permissions the last ones do not exist at the beginning. Names and codes are those that tend
// to be confused: by case, by what sorts between a node and what is below it.
var (
	users     = []string{"u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8", "u9", "u10"}
	providers = []string{"exact", "ignoring", "third"}
	tenants   = []string{"default", "east", "west"}
	sets      = []string{"s1", "s2", "s3", "s4", "s5", "s6"}
	groups    = []string{"g0", "g1", "g2", "g3", "g4", "g5", "g6", "g7", "g8", "g9", "g10", "g11"}
	names     = []string{"Admins", "admins", "ADMINS", "Sales", "sales", "Ärzte", "ÄRZTE", "ärzte", "dev team", "ops", "Ops", "x"}
	codes     = []string{
		"a", "a.b", "a.b.c", "a.b.C", "a.b-c", "a.b_c", "a-b", "ab", "A",
		"orders", "orders.read", "orders.write", "orders.write.all", "hr", "hr.pay.approve",
		"a.b.c.d", "a.bc", "orders.write.some", "hr.pay", "B",
	}
)

// model fills an empty database; then come memberships, assignments and logins, of which some fail.
func model() string {
	var b strings.Builder
	for _, u := range users[:8] {
		fmt.Fprintf(&b, "SELECT auth.create_user('%s');\n", u)
	}
	for _, p := range providers {
		fmt.Fprintf(&b, "SELECT auth.create_provider('%s', 'P', 'oidc', _link_by => 'username', _group_match => '%s');\n",
			p, map[bool]string{true: "ignore_case", false: "exact"}[p == "ignoring"])
	}
	for _, c := range codes[:15] {
		fmt.Fprintf(&b, "INSERT INTO auth.permission (code) VALUES ('%s');\n", c)
	}
	for i, s := range sets[:4] {
		fmt.Fprintf(&b, "SELECT auth.create_perm_set('%s', 'S', ARRAY['%s', '%s']);\n", s, codes[i], codes[i+9])
	}
	b.WriteString("SELECT auth.create_tenant('east', 'East'), auth.create_tenant('west', 'West');\n")
	for i, g := range groups[:10] {
		fmt.Fprintf(&b, "SELECT auth.create_user_group('%s', 'G', '%s', NULL, %s);\n", g,
			[]string{"hybrid", "hybrid", "external", "internal"}[i%4], []string{"NULL", "NULL", "(SELECT tenant_id FROM auth.tenant WHERE code = 'east')"}[i%3])
	}
	return b.String()
}

var part = regexp.MustCompile(`\{[a-z]+4?\??\}`)

func beginnings(r *rand.Rand) (statements []string) {
	for range 25 {
		statements = append(statements,
			fill(r, `SELECT auth.create_group_mapping({group}, {provider}, {name})`),
			fill(r, `SELECT auth.assign_permission(_permission => {code}, _user_group_id => {group}, _tenant_id => {tenant})`),
			fill(r, `SELECT auth.ensure_user_from_provider({provider}, {account}, _provider_groups => {names})`))
	}
	return statements
}

// fill puts random parts where the braces are. One with a question mark is NULL now and then.
func fill(r *rand.Rand, sql string) string {
	return part.ReplaceAllStringFunc(sql, func(p string) string {
		kind := strings.Trim(p, "{}")
		if optional := strings.TrimSuffix(kind, "?"); optional != kind {
			if r.IntN(3) == 0 {
				return "NULL"
			}
			kind = optional
		}
		return random(r, kind)
	})
}

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

func random(r *rand.Rand, kind string) string {
	byCode := func(column, table, code string) string {
		return fmt.Sprintf("(SELECT %s FROM auth.%s WHERE code = '%s')", column, table, code)
	}
	anyOf := func(column, table string) string {
		return fmt.Sprintf("(SELECT %[1]s FROM auth.%[2]s ORDER BY hashtext(%[1]s::text || '%[3]d') LIMIT 1)", column, table, r.IntN(1000))
	}
	missing := func(column, table string, from []string) string {
		return fmt.Sprintf("(SELECT c FROM unnest('{%s}'::text[]) AS c WHERE NOT EXISTS (SELECT FROM auth.%s WHERE %s = c) ORDER BY hashtext(c || '%d') LIMIT 1)",
			strings.Join(from, ","), table, column, r.IntN(1000))
	}
	several := func(from []string) string {
		var chosen []string
		for range r.IntN(4) {
			chosen = append(chosen, "'"+pick(r, from)+"'")
		}
		return "ARRAY[" + strings.Join(chosen, ", ") + "]::text[]"
	}
	switch kind {
	case "user":
		return fmt.Sprintf("(SELECT user_id FROM auth.user_info WHERE username = '%s')", pick(r, users))
	case "newuser":
		return missing("username", "user_info", users)
	case "newgroup":
		return missing("code", "user_group", groups)
	case "newcode":
		return missing("code", "permission", codes)
	case "freecode":
		return fmt.Sprintf("(SELECT p.code FROM auth.permission p WHERE NOT EXISTS (SELECT FROM auth.permission_assignment a WHERE a.permission_code = p.code) "+
			"AND NOT EXISTS (SELECT FROM auth.perm_set_permission s WHERE s.permission_code = p.code) ORDER BY hashtext(p.code || '%d') LIMIT 1)", r.IntN(1000))
	case "newset":
		return missing("code", "perm_set", sets)
	case "account": // who has the username joins the user; the others are second accounts
		return "'" + pick(r, users) + pick(r, []string{"", "", "x"}) + "'"
	case "account4":
		return "'" + pick(r, users[3:]) + "'"
	case "provider":
		return byCode("provider_id", "provider", pick(r, providers))
	case "tenant":
		return byCode("tenant_id", "tenant", pick(r, tenants))
	case "sometenant": // most groups belong to all
		if r.IntN(4) > 0 {
			return "NULL"
		}
		return random(r, "tenant")
	case "group":
		return byCode("user_group_id", "user_group", pick(r, groups))
	case "set":
		return byCode("perm_set_id", "perm_set", pick(r, sets))
	case "setcode":
		return "'" + pick(r, sets) + "'"
	case "code":
		return "'" + pick(r, codes) + "'"
	case "codes":
		return several(codes)
	case "name":
		return "'" + pick(r, names) + "'"
	case "names":
		return several(names)
	case "identity":
		return anyOf("user_identity_id", "user_identity")
	case "mapping":
		return anyOf("user_group_mapping_id", "user_group_mapping")
	case "assignment":
		return anyOf("assignment_id", "permission_assignment")
	case "member":
		return fmt.Sprintf("(SELECT user_group_id, user_id FROM auth.user_group_member ORDER BY hashtext(user_id::text || user_group_id || '%d') LIMIT 1)", r.IntN(1000))
	case "inset":
		return fmt.Sprintf("(SELECT perm_set_id, permission_code FROM auth.perm_set_permission ORDER BY hashtext(perm_set_id::text || permission_code || '%d') LIMIT 1)", r.IntN(1000))
	case "end":
		return pick(r, []string{"NULL", "NULL", "NULL", "now() + interval '1 hour'", "now() + interval '150 ms'", "now() - interval '1 second'", "'infinity'"})
	case "type":
		return pick(r, []string{"'hybrid'", "'hybrid'", "'external'", "'internal'"})
	case "match":
		return pick(r, []string{"'exact'", "'ignore_case'"})
	case "bool":
		return pick(r, []string{"true", "false"})
	case "mostly":
		return pick(r, []string{"true", "true", "true", "false"})
	case "rarely":
		return pick(r, []string{"true", "false", "false", "false"})
	case "limit":
		return pick(r, []string{"1", "3", "10000"})
	}
	panic("no part " + kind)
}
