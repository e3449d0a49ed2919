package authdb

import "context"

// RecordRemoval calls auth.record_removal: the audit row of what RunRemoval did in another database.
func (db *DB) RecordRemoval(ctx context.Context, username, database string, statements []string) error {
	return do(ctx, db, "record_removal", args{"username": username, "database": database, "removed": statements})
}
