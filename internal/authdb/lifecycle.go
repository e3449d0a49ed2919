package authdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// WayIn is a row of auth.leaver_proof.
type WayIn struct {
	Way     string  `json:"way" db:"way"`
	Object  string  `json:"object" db:"object"`
	Grantor *string `json:"grantor" db:"grantor"`
	Detail  *string `json:"detail" db:"detail"`
}

// Deprovision is what auth.deprovision_identity takes.
type Deprovision struct {
	Username, Reason, Kind   string // Kind is disable or suspend
	StripElevated, Terminate bool
}

// DeprovisionReport is what auth.deprovision_identity did.
type DeprovisionReport struct {
	Changes       []Change `json:"changes"`
	SessionsEnded int      `json:"sessions_ended"`
	Left          []WayIn  `json:"left"`
}

// Deletion is what auth.delete_identity takes.
type Deletion struct {
	Username, Reason               string
	ReassignTo                     *string
	DropOwned, Force, ReassignCode bool
}

// DeletionReport is what auth.delete_identity did. The statements in Removed are those of its own database.
type DeletionReport struct {
	RoleName       *string  `json:"role_name"` // nil: the user has none
	State          *string  `json:"state"`
	AlreadyDeleted bool     `json:"already_deleted"`
	Changes        []Change `json:"changes"`
	Removed        []string `json:"removed"`
}

// procedure calls a procedure of schema auth, which returns its INOUT parameter _report.
func procedure[T any](ctx context.Context, db *DB, name string, a args) (T, error) {
	return one[T](ctx, db, "CALL "+callSQL(name, a), a)
}

// LeaverProof calls auth.leaver_proof.
func (db *DB) LeaverProof(ctx context.Context, username string) ([]WayIn, error) {
	return all[WayIn](ctx, db, `SELECT way, object, grantor, detail FROM auth.leaver_proof(_username => @username)`,
		args{"username": username})
}

// DeprovisionIdentity calls auth.deprovision_identity, outside of a transaction.
func (db *DB) DeprovisionIdentity(ctx context.Context, d Deprovision) (DeprovisionReport, error) {
	return procedure[DeprovisionReport](ctx, db, "deprovision_identity", args{
		"username": d.Username, "reason": d.Reason, "strip_elevated": d.StripElevated, "terminate": d.Terminate, "kind": d.Kind})
}

// BeginDeprovision calls auth.begin_deprovision, the first step of auth.deprovision_identity.
func (db *DB) BeginDeprovision(ctx context.Context, d Deprovision) ([]Change, error) {
	return db.changes(ctx, "begin_deprovision", args{
		"username": d.Username, "reason": d.Reason, "strip_elevated": d.StripElevated, "kind": d.Kind})
}

// FinishDeprovision calls auth.finish_deprovision, the second step of auth.deprovision_identity.
func (db *DB) FinishDeprovision(ctx context.Context, username string) ([]Change, error) {
	return db.changes(ctx, "finish_deprovision", args{"username": username})
}

// RestoreIdentity calls auth.restore_identity.
func (db *DB) RestoreIdentity(ctx context.Context, username, reason string, elevated []string) ([]Change, error) {
	report, err := procedure[struct {
		Changes []Change `json:"changes"`
	}](ctx, db, "restore_identity", args{"username": username, "reason": reason, "elevated": elevated})
	return report.Changes, err
}

// RestoreRole calls auth.restore_role, which is auth.restore_identity for use in a transaction.
func (db *DB) RestoreRole(ctx context.Context, username, reason string, elevated []string) ([]Change, error) {
	return db.changes(ctx, "restore_role", args{"username": username, "reason": reason, "elevated": elevated})
}

// Leaver is the login role of somebody who is to be deleted.
type Leaver struct {
	RoleName   string  `db:"role_name"`
	ActualName *string `db:"actual_name"` // another one between a deletion's last steps; nil: there is no such role
}

// Leaver finds the managed login role that a username, a user's id or a role name means; nil: there is none, which is for
// the life cycle's functions to judge.
func (db *DB) Leaver(ctx context.Context, username string) (*Leaver, error) {
	rows, err := db.q.Query(ctx, `
		SELECT r.role_name, a.rolname::text AS actual_name
		FROM auth.database_role r
		LEFT JOIN auth.user_info u USING (user_id)
		LEFT JOIN pg_catalog.pg_roles a ON a.oid = r.role_oid
		WHERE r.state <> 'deleted' AND r.role_kind = 'login'
		  AND (r.role_name = @name OR lower(u.username) = lower(@name) OR u.user_id = @id::uuid)
		ORDER BY r.role_name = @name DESC LIMIT 1`, args{"name": username, "id": asUUID(username)})
	if err != nil {
		return nil, err
	}
	leaver, err := pgx.CollectOneRow(rows, pgx.RowToAddrOfStructByName[Leaver])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return leaver, err
}

// IsDeleted tells whether the role of somebody who has none now was deleted.
func (db *DB) IsDeleted(ctx context.Context, d Deletion) (bool, error) {
	return one[bool](ctx, db, `SELECT coalesce(auth.require_deletable(_username => @username, _reason => @reason) ->> 'state' = 'deleted', false)`,
		args{"username": d.Username, "reason": d.Reason})
}

// OtherDatabases lists the databases, but the connected one, in which something depends on a role.
func (db *DB) OtherDatabases(ctx context.Context, role string) ([]string, error) {
	rows, err := db.q.Query(ctx, `
		SELECT DISTINCT d.database FROM auth.role_dependencies(_role_name => @role) d
		WHERE d.database <> current_database() ORDER BY 1`, args{"role": role})
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// RehearseRemoval calls auth.rehearse_removal: the statements that would remove what depends on the role in this database.
// nil: it could not be tried.
func (db *DB) RehearseRemoval(ctx context.Context, d Deletion) ([]string, error) {
	return call[[]string](ctx, db, "rehearse_removal", args{
		"username": d.Username, "reassign_to": d.ReassignTo, "drop_owned": d.DropOwned, "force": d.Force,
		"reassign_code": d.ReassignCode})
}

// RemovalScript calls auth.removal_script.
func (db *DB) RemovalScript(ctx context.Context, role string, d Deletion, rehearse bool) (string, error) {
	return call[string](ctx, db, "removal_script", args{
		"role_name": role, "reassign_to": d.ReassignTo, "drop_owned": d.DropOwned, "force": d.Force,
		"reassign_code": d.ReassignCode, "rehearse": rehearse})
}

// DeleteIdentity calls auth.delete_identity, outside of a transaction.
func (db *DB) DeleteIdentity(ctx context.Context, d Deletion) (DeletionReport, error) {
	return procedure[DeletionReport](ctx, db, "delete_identity", args{
		"username": d.Username, "reason": d.Reason, "reassign_to": d.ReassignTo, "drop_owned": d.DropOwned, "force": d.Force,
		"reassign_code": d.ReassignCode})
}

// DropStatement is how a role is dropped, in words for a plan.
func (db *DB) DropStatement(ctx context.Context, role string) (string, error) {
	return one[string](ctx, db, `SELECT format('DROP ROLE %I', @role::text)`, args{"role": role})
}

// RunRemoval runs what auth.removal_script returned, in a database that need not have Rolewright, and returns the
// statements that it consisted of.
func RunRemoval(ctx context.Context, conn *pgx.Conn, script string) (statements []string, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, script); err != nil {
			return err
		}
		done, err := one[string](ctx, New(tx), "SELECT current_setting('rolewright.removal')", args{})
		if err != nil {
			return err
		}
		return json.Unmarshal([]byte(done), &statements)
	})
	return statements, inDatabase(conn, err)
}

// RehearseRemovalScript runs an auth.removal_script that only rehearses. nil: it could not be tried, because somebody holds
// a lock.
func RehearseRemovalScript(ctx context.Context, conn *pgx.Conn, script string) (statements []string, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '2s'"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, script)
		return err
	})
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		switch refused.Code {
		case ErrRehearsed:
			statements = []string{}
			err = json.Unmarshal([]byte(refused.Detail), &statements)
		case errLockNotAvailable, errDeadlock:
			return nil, nil
		}
	}
	return statements, inDatabase(conn, err)
}

func inDatabase(conn *pgx.Conn, err error) error {
	if err != nil {
		err = fmt.Errorf("database %s: %w", pgx.Identifier{conn.Config().Database}.Sanitize(), err)
	}
	return err
}

// CurrentDatabase is the name of the connected database.
func (db *DB) CurrentDatabase(ctx context.Context) (string, error) {
	return one[string](ctx, db, `SELECT current_database()::text`, args{})
}
