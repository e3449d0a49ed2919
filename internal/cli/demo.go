package cli

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
	"github.com/rolewright/rolewright/internal/pgserver"
)

//go:embed demo/*.ndjson
var demoFeeds embed.FS

func (a *app) demoCommand() *cobra.Command {
	var keep bool
	var directory string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Start a PostgreSQL, install Rolewright, and play people joining, moving and leaving",
		Long: `Starts a PostgreSQL of its own, installs Rolewright in it as a role that is no superuser, and plays people joining,
moving and leaving at two providers. It touches no other server. Nothing is left of it afterwards, unless with --keep.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options := pgserver.Options{Embedded: true, Log: a.errOut, AllowDownload: true}
			if keep {
				var err error
				if options.KeepIn, err = keepFolder(directory); err != nil {
					return err
				}
			}
			server, err := pgserver.Open(cmd.Context(), options)
			if err != nil {
				return err
			}
			return errors.Join(a.playDemo(cmd.Context(), server), server.Close())
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "leave the server running, and say where it is and how to stop it")
	cmd.Flags().StringVar(&directory, "directory", "", "where --keep puts the server; else a `FOLDER` for such data")
	return cmd
}

func keepFolder(directory string) (string, error) {
	if directory != "" {
		return directory, nil
	}
	return pgserver.KeepFolder(os.Getenv)
}

const (
	demoOwner    = "rolewright_owner"
	demoDatabase = "rolewright"
)

func (a *app) playDemo(ctx context.Context, server *pgserver.Server) error {
	address, err := url.Parse(server.URL(demoDatabase))
	if err != nil {
		return err
	}
	address.User = url.User(demoOwner)
	d := &demo{app: a, ctx: ctx, url: address.String()}
	d.say("PostgreSQL %s, %s.", server.Version, server.Source)

	isNew, err := prepareDemo(ctx, server)
	switch {
	case err != nil:
		return err
	case isNew:
		d.play()
	default:
		d.say("The demo was played here before.")
	}
	if server.StopCommand != "" {
		d.heading("It stays")
		d.say("try     rolewright user list --database-url '%s'", d.url)
		d.say("psql    psql '%s'", d.url)
		d.say("stop    %s", server.StopCommand)
		d.say("remove  %s  (once it is stopped)", server.RemoveCommand)
	}
	return d.err
}

// prepareDemo makes a database and an owner without superuser rights, unless a server that was kept has them.
func prepareDemo(ctx context.Context, server *pgserver.Server) (isNew bool, err error) {
	conn, err := pgx.Connect(ctx, server.URL(""))
	if err != nil {
		return false, err
	}
	defer disconnect(ctx, conn)
	if err := conn.QueryRow(ctx, "SELECT NOT EXISTS (SELECT FROM pg_database WHERE datname = $1)", demoDatabase).Scan(&isNew); err != nil || !isNew {
		return false, err
	}
	for _, statement := range []string{
		"DROP ROLE IF EXISTS " + demoOwner, // of a demo that was interrupted
		"CREATE ROLE " + demoOwner + " LOGIN CREATEROLE",
		"CREATE DATABASE " + demoDatabase + " OWNER " + demoOwner,
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return false, err
		}
	}
	return true, nil
}

// demo plays commands and shows what they did. Its methods do nothing once one has failed.
type demo struct {
	app    *app
	ctx    context.Context
	url    string
	groups map[string]string // the effective groups of each user when they were shown last
	err    error
}

func (d *demo) play() {
	d.heading("Installation, as a role that is no superuser")
	d.run("migrate up")

	d.heading("Two providers, which of their groups count, and for what")
	d.prepare("provider create entra --type entra --link-by email")
	d.prepare("provider create github --type github --link-by email")
	d.prepare("group create developers --type external")
	d.prepare("group create sales --type external")
	d.prepare("group create deployers --type hybrid")
	d.prepare("mapping create developers --provider entra --external-group Engineering")
	d.prepare("mapping create sales --provider entra --external-group Sales")
	d.prepare("mapping create deployers --provider github --external-group core")
	d.prepare("permission create source.commit")
	d.prepare("permission assign source --group developers")

	d.heading("The database's own roles follow: a login role each, and a group role for developers")
	d.prepare("role bind --group developers demo_developers")
	d.prepare("provider update entra --creates-roles --role-name-template demo_{username}")

	d.heading("Monday: five people join, three of them are on GitHub too")
	d.sync("entra-monday", "entra")
	d.sync("github-monday", "github")
	d.people()
	d.say("The accounts of one person found each other by an address that both providers have verified.")

	d.heading("The same feed again: no row changes")
	d.sync("entra-monday", "entra")

	d.run("role list --kind login")

	d.heading("Tuesday: Chen moves from engineering to sales")
	d.sync("entra-tuesday", "entra")
	d.people()
	d.run("explain bilal source.commit")
	d.run("explain chen source.commit")

	d.heading("Wednesday: Emre leaves")
	d.sync("entra-wednesday", "entra")
	d.sync("github-wednesday", "github", "--max-disable", "1")
	d.people()
	d.run("role show demo_emre")
	d.run("role plan")

	d.heading("A feed that lost most of its lines is stopped")
	d.refused("entra-short", "entra")

	d.heading("A feed that is damaged is refused as a whole")
	d.refused("entra-cut", "entra")

	d.heading("What the audit trail says about Emre")
	d.run("audit list --user emre")

	d.heading("In the end")
	d.summary()
}

func (d *demo) say(format string, values ...any) {
	if d.err == nil {
		_, d.err = fmt.Fprintf(d.app.out, format+"\n", values...)
	}
}

func (d *demo) heading(text string) {
	if isTerminal(d.app.out) {
		d.say("\n\x1b[1m── %s ──\x1b[0m", text)
	} else {
		d.say("\n── %s ──", text)
	}
}

// run plays a command line through the real command tree, and prints it like a session.
func (d *demo) run(line string) {
	if d.err == nil {
		d.say("$ rolewright %s", line)
		d.err = d.execute(nil, d.app.out, d.app.errOut, strings.Fields(line)...)
	}
}

// prepare is run for commands whose results are not worth reading.
func (d *demo) prepare(line string) {
	if d.err == nil {
		d.say("$ rolewright %s", line)
		d.err = d.execute(nil, io.Discard, d.app.errOut, strings.Fields(line)...)
	}
}

var errDemo = errors.New("the demo did not go as planned")

func (d *demo) execute(in io.Reader, out, errOut io.Writer, arguments ...string) error {
	if code := Execute(d.ctx, append(arguments, "--database-url", d.url), in, out, errOut); code != exitDone {
		return cmp.Or(d.ctx.Err(), errDemo)
	}
	return nil
}

// feed plays a sync with one of the feeds that the program carries.
func (d *demo) feed(name, provider string, errOut io.Writer, extra ...string) error {
	feed, err := demoFeeds.Open("demo/" + name + ".ndjson")
	if err != nil {
		return err
	}
	defer feed.Close()
	arguments := append([]string{"sync", "-", "--provider", provider, "--create-missing", "--disable-missing"}, extra...)
	d.say("$ rolewright %s < %s.ndjson", strings.Join(arguments, " "), name)
	if d.err != nil {
		return d.err
	}
	return d.execute(feed, d.app.out, errOut, arguments...)
}

func (d *demo) sync(name, provider string, extra ...string) {
	if d.err == nil {
		d.err = d.feed(name, provider, d.app.errOut, extra...)
	}
}

// refused plays a sync that must fail. Its error is part of the story.
func (d *demo) refused(name, provider string) {
	if d.err != nil {
		return
	}
	switch err := d.feed(name, provider, d.app.out); {
	case err == nil:
		d.err = fmt.Errorf("%w: %s was not refused", errDemo, name)
	case !errors.Is(err, errDemo):
		d.err = err
	}
}

// person is a user as the demo shows one.
type person struct{ username, name, accounts, groups, before string }

// people shows everybody, and what changed since the last time.
func (d *demo) people() {
	if d.err != nil {
		return
	}
	people, err := d.readPeople()
	if err != nil {
		d.err = err
		return
	}
	columns := []column[person]{
		{"USER", func(p person) string { return p.username }},
		{"NAME", func(p person) string { return p.name }},
		{"ACCOUNTS", func(p person) string { return p.accounts }},
		{"EFFECTIVE GROUPS", func(p person) string { return p.groups }},
	}
	if d.groups != nil {
		columns = append(columns, column[person]{"BEFORE", func(p person) string { return p.before }})
	}
	groups := map[string]string{}
	for i, p := range people {
		groups[p.username] = p.groups
		if before := d.groups[p.username]; before != p.groups {
			people[i].before = "← " + before
		}
	}
	d.groups = groups
	d.err = writeTable(d.app.out, people, columns...)
}

func (d *demo) readPeople() ([]person, error) {
	app := &app{databaseURL: d.url, errOut: d.app.errOut}
	return read(d.ctx, app, func(db *authdb.DB) ([]person, error) {
		users, err := db.Users(d.ctx, authdb.UserFilter{})
		if err != nil {
			return nil, err
		}
		var people []person
		for _, user := range users {
			identities, err := db.Identities(d.ctx, authdb.IdentityFilter{User: &user.UserID})
			if err != nil {
				return nil, err
			}
			var accounts []string
			for _, identity := range identities {
				account := identity.ProviderCode
				if !identity.IsActive {
					account += " (disabled)"
				}
				accounts = append(accounts, account)
			}
			effective, err := db.EffectiveGroups(d.ctx, user.UserID)
			if err != nil {
				return nil, err
			}
			codes := []string{}
			for _, group := range effective {
				codes = append(codes, group.Code)
			}
			people = append(people, person{
				username: user.Username, name: user.DisplayName,
				accounts: strings.Join(accounts, ", "), groups: namesOf(codes),
			})
		}
		return people, nil
	})
}

func (d *demo) summary() {
	if d.err != nil {
		return
	}
	type total struct{ users, active, inactive, events int }
	app := &app{databaseURL: d.url, errOut: d.app.errOut}
	t, err := read(d.ctx, app, func(db *authdb.DB) (t total, err error) {
		users, err := db.Users(d.ctx, authdb.UserFilter{})
		if err != nil {
			return t, err
		}
		identities, err := db.Identities(d.ctx, authdb.IdentityFilter{})
		if err != nil {
			return t, err
		}
		events, err := db.AuditEvents(d.ctx, authdb.AuditFilter{})
		t.users, t.events = len(users), len(events)
		for _, identity := range identities {
			if identity.IsActive {
				t.active++
			} else {
				t.inactive++
			}
		}
		return t, err
	})
	if d.err = err; err != nil {
		return
	}
	d.say("%d users with %d active and %d disabled accounts at two providers; %d rows of audit trail, one for each change.",
		t.users, t.active, t.inactive, t.events)
}
