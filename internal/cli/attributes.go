package cli

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
)

// attributeFlags is what identity sync is told on its command line.
type attributeFlags struct {
	switches       map[string]*bool
	limit          int
	until          string
	comment        string
	readPassword   bool
	noPassword     bool
	raw            []string
	set, reset     []string
	setIn, unsetIn []string
}

func (a *app) identitySync() *cobra.Command {
	var f attributeFlags
	var create bool
	cmd := &cobra.Command{
		Use:   "sync ROLE",
		Short: "Give a login role attributes, settings, an expiry or a password, and create it where it is missing",
		Long: `Gives a managed login role what the flags say, and creates it when it does not exist; what no flag names stays as it is.

--password-stdin reads the password from the first line of the standard input, or asks for it on a terminal. It never
leaves this program: the server gets a SCRAM-SHA-256 verifier.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			attributes, err := f.attributes(cmd)
			if err != nil {
				return err
			}
			if f.readPassword {
				password, err := a.readPassword()
				if err != nil {
					return err
				}
				if attributes["password"], err = scramVerifier(password); err != nil {
					return err
				}
			}
			return a.changeRoles(cmd.Context(), func(db *authdb.DB) ([]authdb.Change, error) {
				return db.SyncIdentity(cmd.Context(), names[0], attributes, create)
			})
		},
	}
	flags := cmd.Flags()
	f.switches = map[string]*bool{}
	for _, s := range []struct{ name, usage string }{
		{"login", "whether it can log in; of a user's role, that follows the user"},
		{"superuser", "whether it is a superuser"},
		{"createdb", "whether it may create databases"},
		{"createrole", "whether it may create roles"},
		{"inherit", "whether it has the privileges of the roles that it is a member of"},
		{"replication", "whether it may start replication"},
		{"bypassrls", "whether row level security does not apply to it"},
	} {
		f.switches[s.name] = flags.Bool(s.name, true, s.usage+"; =false takes it away")
	}
	flags.IntVar(&f.limit, "connection-limit", -1, "at most `N` connections at a time; -1: no limit")
	flags.StringVar(&f.until, "valid-until", "", "`TIME` with an offset from which on its password is refused: 2030-12-31T23:59:59+01:00; never: no end")
	flags.BoolVar(&f.readPassword, "password-stdin", false, "set the password that is the first line of the standard input, or that is asked for on a terminal")
	flags.BoolVar(&f.noPassword, "no-password", false, "take the password away")
	flags.StringVar(&f.comment, "comment", "", "`TEXT` that describes it; empty: none")
	flags.StringArrayVar(&f.set, "set", nil, "`NAME=VALUE` of a setting of its sessions; may be repeated")
	flags.StringArrayVar(&f.reset, "reset", nil, "`NAME` of a setting to take away; may be repeated")
	flags.StringArrayVar(&f.setIn, "set-in", nil, "`DATABASE:NAME=VALUE` of a setting of its sessions in one database; may be repeated")
	flags.StringArrayVar(&f.unsetIn, "reset-in", nil, "`DATABASE:NAME` of a setting in one database to take away; may be repeated")
	flags.StringArrayVar(&f.raw, "attribute", nil, "`KEY=JSON` as auth.sync_identity takes it; may be repeated")
	flags.BoolVar(&create, "create", true, "create the role when it does not exist; =false: that is an error")
	cmd.MarkFlagsMutuallyExclusive("password-stdin", "no-password")
	return a.dryRunFlag(cmd)
}

// attributes is the document for auth.sync_identity, but for the password that is still to be read.
func (f *attributeFlags) attributes(cmd *cobra.Command) (map[string]any, error) {
	doc := attributeDocument{}
	flags := cmd.Flags()
	for name, value := range f.switches {
		if flags.Changed(name) {
			doc[name] = *value
		}
	}
	if flags.Changed("connection-limit") {
		doc["connection_limit"] = f.limit
	}
	switch {
	case f.until == "never":
		doc["valid_until"] = nil
	case flags.Changed("valid-until"):
		doc["valid_until"] = f.until
	}
	if flags.Changed("comment") {
		doc["comment"] = f.comment
	}
	if f.noPassword || f.readPassword {
		doc["password"] = nil
	}
	if err := f.addSettings(doc); err != nil {
		return nil, err
	}
	for _, raw := range f.raw {
		if err := doc.addRaw(raw); err != nil {
			return nil, err
		}
	}
	return doc, nil
}

func (f *attributeFlags) addSettings(doc attributeDocument) error {
	for _, text := range f.set {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return usageErrorf("--set takes NAME=VALUE, not %q", text)
		}
		if err := doc.addSetting("", name, value); err != nil {
			return err
		}
	}
	for _, name := range f.reset {
		if err := doc.addSetting("", name, nil); err != nil {
			return err
		}
	}
	for _, text := range f.setIn {
		part := databaseSetting.FindStringSubmatch(text)
		if part == nil {
			return usageErrorf("--set-in takes DATABASE:NAME=VALUE, not %q", text)
		}
		if err := doc.addSetting(part[1], part[2], part[3]); err != nil {
			return err
		}
	}
	for _, text := range f.unsetIn {
		end := strings.LastIndexByte(text, ':') // names of settings have none
		if end < 1 || end == len(text)-1 {
			return usageErrorf("--reset-in takes DATABASE:NAME, not %q", text)
		}
		if err := doc.addSetting(text[:end], text[end+1:], nil); err != nil {
			return err
		}
	}
	return nil
}

// Names of databases may have colons; values may have anything.
var databaseSetting = regexp.MustCompile(`(?s)^(.+?):([A-Za-z_][A-Za-z0-9_$.]*)=(.*)$`)

// attributeDocument is what auth.sync_identity takes. What is said twice is refused.
type attributeDocument map[string]any

// addSetting adds a setting; database "" is all of them, and value nil takes the setting away.
func (d attributeDocument) addSetting(database, name string, value any) error {
	settings, where := d.object("settings"), ""
	if database != "" {
		all := d.object("database_settings")
		settings, where = all.object(database), fmt.Sprintf(" in database %q", database)
	}
	if _, ok := settings[name]; ok {
		return usageErrorf("setting %q is given twice%s", name, where)
	}
	settings[name] = value
	return nil
}

// object is the object below a key, made when it is not there.
func (d attributeDocument) object(key string) attributeDocument {
	below, ok := d[key].(attributeDocument)
	if !ok {
		below = attributeDocument{}
		d[key] = below
	}
	return below
}

// addRaw adds KEY=JSON.
func (d attributeDocument) addRaw(text string) error {
	key, value, ok := strings.Cut(text, "=")
	if strings.EqualFold(strings.TrimSpace(key), "password") {
		// Nothing of it is in the message, and nothing that the server would only refuse is sent there.
		return d.addRawPassword(value)
	}
	if !ok || key == "" || !json.Valid([]byte(value)) {
		return usageErrorf("--attribute takes KEY=JSON, such as connection_limit=5, not %q", text)
	}
	if _, ok := d[key]; ok {
		return usageErrorf("attribute %q is given twice", key)
	}
	d[key] = json.RawMessage(value)
	return nil
}

var verifierPattern = regexp.MustCompile(`^SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$`)

func (d attributeDocument) addRawPassword(value string) error {
	if _, ok := d["password"]; ok {
		return usageErrorf("attribute \"password\" is given twice")
	}
	var verifier *string
	if json.Unmarshal([]byte(value), &verifier) != nil || verifier != nil && !verifierPattern.MatchString(*verifier) {
		return usageErrorf("--attribute password takes null or a SCRAM-SHA-256 verifier; --password-stdin reads a password, and keeps it from the server")
	}
	d["password"] = verifier
	return nil
}
