package policy

import _ "embed"

// Schema is the JSON schema of a file, for editors and for checks without a database.
//
//go:embed access.schema.json
var Schema string
