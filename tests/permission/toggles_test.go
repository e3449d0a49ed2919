package permission_test

// A switch turns Ann's yes into a no and back, by the functions and by what a DBA would type.
type toggle struct{ name, grant, off, on, offDBA, onDBA string }

const (
	annIsElsewhere = `ARRAY['{"provider_user_id": "bob_entra"}']::jsonb[], _disable_missing => true, _max_disable => 10`
	annIsBack      = `ARRAY['{"provider_user_id": "bob_entra"}', '{"provider_user_id": "ann_entra"}']::jsonb[]`
)

var toggles = []toggle{
	{
		"user disabled", "mapping",
		`SELECT auth.disable_user(@ann)`, `SELECT auth.enable_user(@ann)`,
		`UPDATE auth.user_info SET is_active = false`, `UPDATE auth.user_info SET is_active = true`,
	}, {
		"user locked", "mapping",
		`SELECT auth.lock_user(@ann)`, `SELECT auth.unlock_user(@ann)`,
		`UPDATE auth.user_info SET is_locked = true`, `UPDATE auth.user_info SET is_locked = false`,
	}, {
		"member disabled", "member",
		`SELECT auth.disable_user(@ann)`, `SELECT auth.enable_user(@ann)`,
		`UPDATE auth.user_info SET is_active = false`, `UPDATE auth.user_info SET is_active = true`,
	}, {
		"assignee locked", "direct",
		`SELECT auth.lock_user(@ann)`, `SELECT auth.unlock_user(@ann)`,
		`UPDATE auth.user_info SET is_locked = true`, `UPDATE auth.user_info SET is_locked = false`,
	}, {
		"identity disabled", "mapping",
		`SELECT auth.disable_user_identity(@ann_entra)`, `SELECT auth.enable_user_identity(@ann_entra)`,
		`UPDATE auth.user_identity SET is_active = false`, `UPDATE auth.user_identity SET is_active = true`,
	}, {
		"identity deleted", "mapping",
		`SELECT auth.delete_user_identity(user_identity_id) FROM auth.user_identity WHERE provider_user_id = 'ann_entra'`,
		`SELECT auth.create_user_identity(@ann, @entra, 'ann_entra', '{Staff}'); SELECT auth.switch_active_identity(@ann, @entra)`,
		`DELETE FROM auth.user_identity WHERE provider_user_id = 'ann_entra'`,
		`INSERT INTO auth.user_identity (user_id, provider_id, provider_user_id, provider_groups, is_last_used)
		 VALUES (@ann, @entra, 'ann_entra', '{Staff}', true)`,
	}, {
		"account of somebody else", "mapping", "", "",
		`UPDATE auth.user_identity SET user_id = @bob, is_last_used = false WHERE provider_user_id = 'ann_entra'`,
		`UPDATE auth.user_identity SET user_id = @ann, is_last_used = true WHERE provider_user_id = 'ann_entra'`,
	}, {
		"provider disabled", "mapping",
		`SELECT auth.disable_provider(@entra)`, `SELECT auth.enable_provider(@entra)`,
		`UPDATE auth.provider SET is_active = false`, `UPDATE auth.provider SET is_active = true`,
	}, {
		"mapping deleted", "mapping",
		`SELECT auth.delete_group_mapping(user_group_mapping_id) FROM auth.user_group_mapping WHERE user_group_id = @staff`,
		`SELECT auth.create_group_mapping(@staff, @entra, 'Staff')`,
		`DELETE FROM auth.user_group_mapping WHERE user_group_id = @staff`,
		`INSERT INTO auth.user_group_mapping (user_group_id, provider_id, external_group_name) VALUES (@staff, @entra, 'Staff')`,
	}, {
		"role mapping deleted", "role",
		`SELECT auth.delete_group_mapping(user_group_mapping_id) FROM auth.user_group_mapping WHERE user_group_id = @clerks`,
		`SELECT auth.create_group_mapping(@clerks, @entra, NULL, 'Clerk')`,
		`UPDATE auth.user_group_mapping SET external_role_name = 'Lord' WHERE user_group_id = @clerks`,
		`UPDATE auth.user_group_mapping SET external_role_name = 'Clerk' WHERE user_group_id = @clerks`,
	}, {
		"mapping disabled", "mapping", "", "",
		`UPDATE auth.user_group_mapping SET is_active = false`, `UPDATE auth.user_group_mapping SET is_active = true`,
	}, {
		"mapping renamed", "mapping", "", "",
		`UPDATE auth.user_group_mapping SET external_group_name = 'Crew' WHERE user_group_id = @staff`,
		`UPDATE auth.user_group_mapping SET external_group_name = 'Staff' WHERE user_group_id = @staff`,
	}, {
		"mapping of another provider", "mapping", "", "",
		`UPDATE auth.user_group_mapping SET provider_id = @github WHERE user_group_id = @staff`,
		`UPDATE auth.user_group_mapping SET provider_id = @entra WHERE user_group_id = @staff`,
	}, {
		"mapping of another group", "mapping", "", "",
		`UPDATE auth.user_group_mapping SET user_group_id = @devs WHERE external_group_name = 'Staff'`,
		`UPDATE auth.user_group_mapping SET user_group_id = @staff WHERE external_group_name = 'Staff'`,
	}, {
		"group disabled", "mapping",
		`SELECT auth.disable_user_group(@staff)`, `SELECT auth.enable_user_group(@staff)`,
		`UPDATE auth.user_group SET is_active = false`, `UPDATE auth.user_group SET is_active = true`,
	}, {
		"member's group disabled", "member",
		`SELECT auth.disable_user_group(@helpers)`, `SELECT auth.enable_user_group(@helpers)`,
		`UPDATE auth.user_group SET is_active = false`, `UPDATE auth.user_group SET is_active = true`,
	}, {
		"group made internal", "mapping",
		`SELECT auth.update_user_group(@staff, _group_type => 'internal', _drop => true)`,
		`SELECT auth.update_user_group(@staff, _group_type => 'hybrid'); SELECT auth.create_group_mapping(@staff, @entra, 'Staff')`,
		`UPDATE auth.user_group SET group_type = 'internal'`, `UPDATE auth.user_group SET group_type = 'external'`,
	}, {
		"group made external", "member",
		`SELECT auth.update_user_group(@helpers, _group_type => 'external', _drop => true)`,
		`SELECT auth.update_user_group(@helpers, _group_type => 'internal'); SELECT auth.add_group_member(@helpers, @ann)`,
		`UPDATE auth.user_group SET group_type = 'external'`, `UPDATE auth.user_group SET group_type = 'internal'`,
	}, {
		"group of another tenant", "mapping", "", "",
		`UPDATE auth.user_group SET tenant_id = @acme`, `UPDATE auth.user_group SET tenant_id = @default`,
	}, {
		"not a member", "member",
		`SELECT auth.remove_group_member(@helpers, @ann)`, `SELECT auth.add_group_member(@helpers, @ann)`,
		`DELETE FROM auth.user_group_member`, `INSERT INTO auth.user_group_member (user_group_id, user_id) VALUES (@helpers, @ann)`,
	}, {
		"membership of somebody else", "member", "", "",
		`UPDATE auth.user_group_member SET user_id = @bob`, `UPDATE auth.user_group_member SET user_id = @ann`,
	}, {
		"tenant disabled", "mapping",
		`SELECT auth.disable_tenant(NULL)`, `SELECT auth.enable_tenant(NULL)`,
		`UPDATE auth.tenant SET is_active = false`, `UPDATE auth.tenant SET is_active = true`,
	}, {
		"member's tenant disabled", "member",
		`SELECT auth.disable_tenant(NULL)`, `SELECT auth.enable_tenant(NULL)`,
		`UPDATE auth.tenant SET is_active = false`, `UPDATE auth.tenant SET is_active = true`,
	}, {
		"assignee's tenant disabled", "direct",
		`SELECT auth.disable_tenant(NULL)`, `SELECT auth.enable_tenant(NULL)`,
		`UPDATE auth.tenant SET is_active = false`, `UPDATE auth.tenant SET is_active = true`,
	}, {
		"taken out of the set", "mapping set",
		`SELECT auth.remove_perm_set_permissions('selling', '{orders}')`, `SELECT auth.add_perm_set_permissions('selling', '{orders}')`,
		`UPDATE auth.perm_set_permission SET permission_code = 'reports'`, `UPDATE auth.perm_set_permission SET permission_code = 'orders'`,
	}, {
		"taken out of the assignee's set", "direct set",
		`SELECT auth.remove_perm_set_permissions('selling', '{orders}')`, `SELECT auth.add_perm_set_permissions('selling', '{orders}')`,
		`DELETE FROM auth.perm_set_permission`, `INSERT INTO auth.perm_set_permission SELECT perm_set_id, 'orders' FROM auth.perm_set`,
	}, {
		"set deleted", "mapping set",
		`SELECT auth.delete_perm_set('selling', _cascade => true)`,
		`SELECT auth.create_perm_set('selling', 'Selling', '{orders.read}'); ` + grants["mapping set"],
		`DELETE FROM auth.permission_assignment; DELETE FROM auth.perm_set_permission; DELETE FROM auth.perm_set`,
		`INSERT INTO auth.perm_set (code, name) VALUES ('selling', 'Selling');
		 INSERT INTO auth.permission_assignment (user_group_id, perm_set_id) SELECT @staff, perm_set_id FROM auth.perm_set;
		 INSERT INTO auth.perm_set_permission SELECT perm_set_id, 'orders' FROM auth.perm_set`,
	}, {
		"unassigned", "mapping",
		`SELECT auth.unassign_permission(assignment_id) FROM auth.permission_assignment`, grants["mapping"],
		`DELETE FROM auth.permission_assignment`,
		`INSERT INTO auth.permission_assignment (user_group_id, permission_code) VALUES (@staff, 'orders.read')`,
	}, {
		"unassigned from the user", "direct",
		`SELECT auth.unassign_permission(assignment_id) FROM auth.permission_assignment`, grants["direct"],
		`UPDATE auth.permission_assignment SET user_id = @bob`, `UPDATE auth.permission_assignment SET user_id = @ann`,
	}, {
		"assigned elsewhere", "mapping",
		`SELECT auth.unassign_permission(assignment_id) FROM auth.permission_assignment; SELECT auth.assign_permission('orders', _user_group_id => @devs)`,
		`SELECT auth.unassign_permission(assignment_id) FROM auth.permission_assignment; ` + grants["mapping"],
		`UPDATE auth.permission_assignment SET user_group_id = @devs`, `UPDATE auth.permission_assignment SET user_group_id = @staff`,
	}, {
		"assigned to somebody", "mapping", "", "",
		`UPDATE auth.permission_assignment SET user_group_id = NULL, user_id = @bob`,
		`UPDATE auth.permission_assignment SET user_group_id = @staff, user_id = NULL`,
	}, {
		"something else assigned", "mapping", "", "",
		`UPDATE auth.permission_assignment SET permission_code = 'reports'`, `UPDATE auth.permission_assignment SET permission_code = 'orders'`,
	}, {
		"assigned in another tenant", "mapping", "", "",
		`UPDATE auth.permission_assignment SET tenant_id = @acme`, `UPDATE auth.permission_assignment SET tenant_id = @default`,
	}, {
		"login with other groups", "mapping",
		`SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{Crew}')`,
		`SELECT auth.update_user_identity_on_login(@entra, 'ann_entra', '{Crew,Staff}')`,
		`UPDATE auth.user_identity SET provider_groups = '{}'`, `UPDATE auth.user_identity SET provider_groups = '{Staff}'`,
	}, {
		"login with other roles", "role",
		`SELECT auth.process_identity_claims(@ann, @entra, '{"groups": ["Staff"], "roles": []}')`,
		`SELECT auth.process_identity_claims(@ann, @entra, '{"groups": ["Staff"], "roles": "Clerk"}')`,
		`UPDATE auth.user_identity SET provider_roles = NULL`, `UPDATE auth.user_identity SET provider_roles = '{Clerk}'`,
	}, {
		"login through another identity", "mapping",
		`SELECT auth.update_user_identity_on_login(@github, 'ann_github', '{Devs}')`,
		`SELECT auth.ensure_user_from_provider(@entra, 'ann_entra', _provider_groups => '{Staff}')`,
		`UPDATE auth.user_identity SET is_last_used = true WHERE provider_user_id = 'ann_github'`,
		`UPDATE auth.user_identity SET is_last_used = true WHERE provider_user_id = 'ann_entra'`,
	}, {
		"another identity switched to", "role",
		`SELECT auth.switch_active_identity(@ann, @github)`, `SELECT auth.switch_active_identity(@ann, @entra)`, "", "",
	}, {
		"a sync took the group", "mapping",
		`SELECT auth.sync_provider_identities(@entra, ARRAY['{"provider_user_id": "ann_entra", "groups": ["Crew"]}']::jsonb[])`,
		`SELECT auth.sync_provider_identities(@entra, ARRAY['{"provider_user_id": "ann_entra", "groups": ["Staff"]}']::jsonb[])`, "", "",
	}, {
		"a sync left her out", "mapping",
		`SELECT auth.sync_provider_identities(@entra, ` + annIsElsewhere + `)`, `SELECT auth.sync_provider_identities(@entra, ` + annIsBack + `)`, "", "",
	},
}
