package authdb

import (
	"context"
	"encoding/json"
	"time"
)

// AuditEvent is a row of auth.audit_event.
type AuditEvent struct {
	AuditEventID    int64           `json:"audit_event_id" db:"audit_event_id"`
	OccurredAt      time.Time       `json:"occurred_at" db:"occurred_at"`
	EventCode       string          `json:"event_code" db:"event_code"`
	UserID          *string         `json:"user_id" db:"user_id"`
	Username        *string         `json:"username" db:"username"` // as it is now; null when the user is gone
	SubjectType     string          `json:"subject_type" db:"subject_type"`
	SubjectID       *string         `json:"subject_id" db:"subject_id"`
	SessionUserName string          `json:"session_user_name" db:"session_user_name"`
	ActorUserID     *string         `json:"actor_user_id" db:"actor_user_id"`
	ClientAddress   *string         `json:"client_address" db:"client_address"`
	ApplicationName *string         `json:"application_name" db:"application_name"`
	CorrelationID   *string         `json:"correlation_id" db:"correlation_id"`
	Xact            string          `json:"xact" db:"xact"`
	Before          json.RawMessage `json:"before" db:"before"`
	After           json.RawMessage `json:"after" db:"after"`
}

// AuditFilter narrows AuditEvents; nil filters nothing.
type AuditFilter struct {
	User          *string // id
	Event         *string // code, or the beginning of codes with a * at its end
	Provider      *string // id: rows about the provider, its identities and its mappings
	CorrelationID *string
	Since, Until  *string // as PostgreSQL reads a timestamp; until is exclusive
	From, Before  *string // transactions, from one and before another: see AuditHorizon
	Limit         int     // the newest so many; 0: all
}

// AuditedUserID finds a user as UserID does, and one who was deleted by the last username: the trail outlives its users.
func (db *DB) AuditedUserID(ctx context.Context, name string) (string, error) {
	return first[string](ctx, db, &NotFoundError{"user", name, "None with this username or id is there or was deleted."}, `
		SELECT found.user_id::text
		FROM (SELECT coalesce(
		    (SELECT u.user_id FROM auth.user_info u
		     WHERE lower(u.username) = lower(@name) OR u.user_id = @id::uuid
		     ORDER BY lower(u.username) = lower(@name) DESC LIMIT 1),
		    (SELECT a.user_id FROM auth.audit_event a
		     WHERE a.event_code = 'user.deleted' AND (lower(a.before ->> 'username') = lower(@name) OR a.user_id = @id::uuid)
		     ORDER BY a.occurred_at DESC LIMIT 1)
		)) AS found (user_id)
		WHERE found.user_id IS NOT NULL`, args{"name": name, "id": asUUID(name)})
}

// AuditEvents returns the newest matching rows, the oldest of them first.
func (db *DB) AuditEvents(ctx context.Context, f AuditFilter) ([]AuditEvent, error) {
	return all[AuditEvent](ctx, db, `
		SELECT * FROM (
		    SELECT a.audit_event_id, a.occurred_at, a.event_code, a.user_id, u.username, a.subject_type, a.subject_id,
		           a.session_user_name, a.actor_user_id, host(a.client_address) AS client_address, a.application_name,
		           a.correlation_id, a.xact::text AS xact, a.before, a.after
		    FROM auth.audit_event a
		    LEFT JOIN auth.user_info u USING (user_id)
		    WHERE (@user::uuid IS NULL OR a.user_id = @user)
		      AND (@event::text IS NULL OR a.event_code = @event
		           OR right(@event, 1) = '*' AND starts_with(a.event_code, left(@event, -1)))
		      AND (@provider::uuid IS NULL
		           OR a.subject_id = @provider
		           OR @provider::text IN (a.before ->> 'provider_id', a.after ->> 'provider_id')
		           OR a.subject_type = 'identity' AND a.subject_id IN (
		                  SELECT i.user_identity_id FROM auth.user_identity i WHERE i.provider_id = @provider))
		      AND (@correlation::text IS NULL OR a.correlation_id = @correlation)
		      AND (@since::timestamptz IS NULL OR a.occurred_at >= @since)
		      AND (@until::timestamptz IS NULL OR a.occurred_at < @until)
		      AND (@from::xid8 IS NULL OR a.xact >= @from)
		      AND (@before::xid8 IS NULL OR a.xact < @before)
		    ORDER BY a.occurred_at DESC, a.audit_event_id DESC
		    LIMIT nullif(@limit::bigint, 0)
		) AS newest
		ORDER BY occurred_at, audit_event_id`,
		args{"user": f.User, "event": f.Event, "provider": f.Provider, "correlation": f.CorrelationID,
			"since": f.Since, "until": f.Until, "from": f.From, "before": f.Before, "limit": f.Limit})
}

// AuditHorizon is the oldest transaction that may still write. Every row of an earlier one can be seen from now on, so
// reading from one horizon up to the next misses no row and repeats none, however long transactions take.
func (db *DB) AuditHorizon(ctx context.Context) (string, error) {
	return one[string](ctx, db, `SELECT pg_snapshot_xmin(pg_current_snapshot())::text`, nil)
}

// PartitionAction is a row of auth.maintain_audit_partitions.
type PartitionAction struct {
	Action    string `json:"action" db:"action"`
	Partition string `json:"partition" db:"partition"`
}

// MaintainAuditPartitions makes the partitions of the coming months and drops those older than keep, an interval.
func (db *DB) MaintainAuditPartitions(ctx context.Context, monthsAhead int, keep *string) ([]PartitionAction, error) {
	a := args{"months_ahead": monthsAhead, "keep": keep}
	return all[PartitionAction](ctx, db, `SELECT action, partition FROM `+callSQL("maintain_audit_partitions", a), a)
}
