package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/rolewright/rolewright/internal/authdb"
	"github.com/rolewright/rolewright/internal/policy"
)

const outputSQL = "sql"

const aboutAccessFile = `The file says, in the words of GRANT, what roles may do, and nothing else: docs/ACCESS.md describes it, and
rolewright dump writes one of what is there. - is the standard input. A file that is not understood changes nothing:
the exit code is 1, and each line says where and why.`

// accessFlag adds -f.
func accessFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "file", "f", "", "`FILE` that says what roles may do; - is the standard input")
	required(cmd, "file")
}

func (a *app) planCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "plan -f FILE",
		Short: "Tell what apply would do so that roles can do what a file says, and nothing else",
		Long: aboutAccessFile + `

Tells what would be done in each of the file's databases: the statements, role by role, why, and what to look at twice,
such as that a role loses access. The last line of each has the hash of its plan: rolewright apply --plan-hash applies
only that one. With --output sql it is a script for psql, without passwords. The exit code is 0 when there is nothing to
do, and 3 when something would change or cannot be done (conflict).`,
		Args:        cobra.NoArgs,
		Annotations: map[string]string{alsoOutput: outputSQL},
		RunE: func(cmd *cobra.Command, _ []string) error {
			access, err := a.readAccess(cmd.Context(), file, true)
			if err != nil {
				return err
			}
			if a.output == outputSQL {
				return a.printAccessScript(cmd.Context(), access)
			}
			plans, err := a.planAccess(cmd.Context(), access)
			if err != nil {
				return err
			}
			return a.printAccessPlan(plans)
		},
	}
	accessFlag(cmd, &file)
	return cmd
}

func (a *app) applyCommand() *cobra.Command {
	var file string
	var hashes []string
	var noStore bool
	cmd := &cobra.Command{
		Use:   "apply -f FILE [--plan-hash HASH]",
		Short: "Make roles able to do what a file says, and nothing else",
		Long: aboutAccessFile + `

Plans in each of the file's databases, and changes nothing when something is missing or cannot be done in any of them.
Then it is done, one transaction in each database, and what was done is told. The declarations are stored, so that
rolewright drift works without the file.

With --plan-hash it has to be what rolewright plan showed: a hash for each database.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			access, err := a.readAccess(cmd.Context(), file, false)
			if err != nil {
				return err
			}
			done, err := a.applyAccess(cmd.Context(), access, given(cmd, "plan-hash", &hashes), !noStore)
			if err != nil {
				return err
			}
			return a.printAccessDone(done)
		},
	}
	accessFlag(cmd, &file)
	flags := cmd.Flags()
	flags.StringSliceVar(&hashes, "plan-hash", nil, "`HASH` of the plan that was reviewed; one for each database, with commas or repeated")
	flags.BoolVar(&noStore, "no-store", false, "do not store the declarations")
	return cmd
}

// access is a file that was read.
type access struct {
	file   string
	policy *policy.Policy
}

// readAccess reads a file, and makes verifiers of the passwords that it names. A plan can do without them.
func (a *app) readAccess(ctx context.Context, file string, isPlan bool) (*access, error) {
	in, name, folder := a.in, "<stdin>", "."
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		in, name, folder = opened, file, filepath.Dir(file)
	}
	p, err := policy.Parse(name, in)
	if err != nil {
		return nil, err
	}
	result := &access{name, p}
	return result, a.makeVerifiers(ctx, result, folder, isPlan)
}

// at says where something stands.
func (c *access) at(position policy.Position) string {
	return fmt.Sprintf("%s:%d:%d", c.file, position.Line, position.Column)
}

// secret is a login whose password stands elsewhere.
type secret struct {
	role     string
	grant    *policy.Grant
	password string
}

func (a *app) makeVerifiers(ctx context.Context, c *access, folder string, isPlan bool) error {
	var secrets []secret
	var missing []error
	for name, role := range c.policy.Databases[0].Declaration.Roles {
		for i := range role.Grants {
			g := &role.Grants[i]
			if g.PasswordEnv == "" && g.PasswordFile == "" {
				continue
			}
			password, err := readSecret(g, folder)
			switch {
			case err == nil:
				secrets = append(secrets, secret{name, g, password})
			case isPlan:
				fmt.Fprintf(a.errOut, "%s: the plan leaves the password of %s out: %s\n", c.at(g.Position()), escape(name), escapeLines(err.Error()))
			default:
				missing = append(missing, fmt.Errorf("%s: the password of %s: %w", c.at(g.Position()), escape(name), err))
			}
		}
	}
	if len(missing) > 0 {
		slices.SortFunc(missing, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
		return errors.Join(missing...)
	}
	if len(secrets) == 0 {
		return nil
	}
	return a.verify(ctx, c.policy.Databases[0].Name, secrets)
}

// readSecret reads a password, which is one line.
func readSecret(g *policy.Grant, folder string) (string, error) {
	if g.PasswordEnv != "" {
		password, ok := os.LookupEnv(g.PasswordEnv)
		if !ok {
			return "", fmt.Errorf("there is no environment variable %s", g.PasswordEnv)
		}
		return password, wrongSecret(password, checkPassword(password))
	}
	path := g.PasswordFile
	if !filepath.IsAbs(path) {
		path = filepath.Join(folder, path)
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	password, err := firstLine(file)
	return password, wrongSecret(password, err)
}

// wrongSecret is what is wrong with a password that no command line has.
func wrongSecret(password string, err error) error {
	switch {
	case err == nil:
		return nil
	case password == "":
		return errors.New("it is empty")
	}
	return errors.New(err.Error())
}

// verify makes verifiers, with the salts of those that were made before: the same password is no change.
func (a *app) verify(ctx context.Context, database string, secrets []secret) error {
	names := make([]string, len(secrets))
	for i, s := range secrets {
		names[i] = s.role
	}
	salts, err := inTxOf(ctx, a, database, func(_ pgx.Tx, db *authdb.DB) ([]authdb.PasswordSalt, error) {
		return db.PasswordSalts(ctx, names)
	})
	if err != nil {
		return err
	}
	for _, s := range secrets {
		i := slices.IndexFunc(salts, func(known authdb.PasswordSalt) bool {
			return known.RoleName == s.role && known.Iterations >= scramIterations
		})
		if i < 0 {
			s.grant.Verifier, err = scramVerifier(s.password)
		} else {
			s.grant.Verifier, err = scramVerifierWith(s.password, salts[i].Salt, salts[i].Iterations)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// inEach calls run in a transaction of its own in each database of a file.
func inEach[T any](ctx context.Context, a *app, c *access, run func(*authdb.DB, *policy.Declaration) (T, error)) ([]T, error) {
	var results []T
	for i := range c.policy.Databases {
		d := &c.policy.Databases[i]
		result, err := inTxOf(ctx, a, d.Name, func(_ pgx.Tx, db *authdb.DB) (T, error) { return run(db, &d.Declaration) })
		if err != nil {
			return results, c.located(err, d)
		}
		results = append(results, result)
	}
	return results, nil
}

func (a *app) planAccess(ctx context.Context, c *access) ([]authdb.GrantPlan, error) {
	return inEach(ctx, a, c, func(db *authdb.DB, d *policy.Declaration) (authdb.GrantPlan, error) { return db.PlanRoles(ctx, d) })
}

// place is where unsecure.declaration_problems finds something wrong.
var placePattern = regexp.MustCompile(`(?m)^(?:public|role (\S+|"(?:[^"]|"")+")), grant ([0-9]+)\b`)

// located says in which database it was, and where in the file stands what the server does not understand.
func (c *access) located(err error, d *policy.Database) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == authdb.ErrBadDeclaration {
		refused.Detail = placePattern.ReplaceAllStringFunc(refused.Detail, func(place string) string {
			part := placePattern.FindStringSubmatch(place)
			role := "public"
			if part[1] != "" {
				role = part[1]
			}
			if inner, ok := strings.CutPrefix(role, `"`); ok {
				role = strings.ReplaceAll(strings.TrimSuffix(inner, `"`), `""`, `"`)
			}
			n, err := strconv.Atoi(part[2])
			if at, ok := d.Declaration.GrantPosition(role, n); ok && err == nil {
				return c.at(at) + ": " + place
			}
			return place
		})
	}
	if d.Name != "" {
		err = fmt.Errorf("database %s: %w", escape(d.Name), err)
	}
	return err
}

// refusedPlanError is a plan that is not carried out; nothing was changed.
type refusedPlanError struct{ message, detail, hint string }

func (e *refusedPlanError) Error() string { return e.message }

// applyAccess plans everywhere before it changes anything anywhere.
func (a *app) applyAccess(ctx context.Context, c *access, hashes *[]string, store bool) ([]authdb.GrantPlan, error) {
	plans, err := a.planAccess(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("nothing was changed; %w", err)
	}
	if err := refuseConflicts(plans); err != nil {
		return nil, err
	}
	if hashes != nil {
		if err := refuseOtherPlans(plans, *hashes); err != nil {
			return nil, err
		}
		for i := range plans {
			c.policy.Databases[i].Declaration.Options.PlanHash = plans[i].Hash
		}
	}
	done, err := inEach(ctx, a, c, func(db *authdb.DB, d *policy.Declaration) (authdb.GrantPlan, error) {
		plan, err := db.SyncRoles(ctx, d)
		if err != nil || !store {
			return plan, err
		}
		stored := *d
		stored.Options.PlanHash = ""
		_, err = db.DeclareRoles(ctx, stored)
		return plan, err
	})
	if err != nil && len(done) > 0 {
		if printErr := a.printAccessDone(done); printErr != nil {
			return nil, errors.Join(err, printErr)
		}
		return nil, fmt.Errorf("%w\nDone in: %s. The same command goes on from there", err, namesOfDatabases(done))
	}
	return done, err
}

func namesOfDatabases(plans []authdb.GrantPlan) string {
	names := make([]string, len(plans))
	for i, p := range plans {
		names[i] = escape(p.Database)
	}
	return strings.Join(names, ", ")
}

func refuseConflicts(plans []authdb.GrantPlan) error {
	var conflicts []string
	for _, plan := range plans {
		for _, c := range plan.Changes {
			if !c.IsConflict() {
				continue
			}
			text := c.RoleName + ": "
			if len(plans) > 1 {
				text = "database " + plan.Database + ": " + text
			}
			if c.Object != nil {
				text += *c.Object + ": "
			}
			text += textOf(c.Reason)
			if c.Statement != nil {
				text += "; it would take: " + *c.Statement
			}
			conflicts = append(conflicts, text+".")
		}
	}
	if conflicts == nil {
		return nil
	}
	return &refusedPlanError{
		"some roles cannot become what is declared; nothing was changed", strings.Join(conflicts, "\n"),
		"Do what the DETAIL says, as a superuser or as the role that it names, and try again.",
	}
}

func refuseOtherPlans(plans []authdb.GrantPlan, hashes []string) error {
	var others []string
	for _, plan := range plans {
		if !slices.Contains(hashes, plan.Hash) {
			others = append(others, fmt.Sprintf("In %s it is now %s, and the hash is %s.", plan.Database, changesOf(len(plan.Changes)), plan.Hash))
		}
	}
	if others == nil {
		return nil
	}
	return &refusedPlanError{
		"the plan is not the one that was reviewed; nothing was changed", strings.Join(others, "\n"),
		"Something has changed since: look at the plan again.",
	}
}

func changesOf(n int) string {
	if n == 1 {
		return "1 change"
	}
	return fmt.Sprintf("%d changes", n)
}

// printAccessPlan prints what would be done, and says by its error whether that is anything.
func (a *app) printAccessPlan(plans []authdb.GrantPlan) error {
	isEmpty := !slices.ContainsFunc(plans, func(p authdb.GrantPlan) bool { return len(p.Changes) > 0 })
	if a.output == outputJSON {
		if err := a.printJSON(plans); err != nil {
			return err
		}
	} else if err := a.writeAccessPlans(plans, true); err != nil {
		return err
	}
	if isEmpty {
		return nil
	}
	return errDiffers
}

func (a *app) printAccessDone(done []authdb.GrantPlan) error {
	if a.output == outputJSON {
		return a.printJSON(done)
	}
	return a.writeAccessPlans(done, false)
}

func (a *app) writeAccessPlans(plans []authdb.GrantPlan, isPlan bool) error {
	for i, plan := range plans {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		if len(plans) > 1 {
			fmt.Fprintf(a.out, "database %s\n\n", escape(plan.Database))
		}
		if err := a.writeAccessPlan(plan); err != nil {
			return err
		}
		text := summaryOf(plan)
		if isPlan {
			text += "\nplan hash: " + plan.Hash
		}
		if _, err := fmt.Fprintln(a.out, text); err != nil {
			return err
		}
	}
	return nil
}

// writeAccessPlan shows the statements whole, role by role.
func (a *app) writeAccessPlan(plan authdb.GrantPlan) error {
	var roles []string
	byRole := map[string][]authdb.GrantChange{}
	for _, c := range plan.Changes {
		if _, ok := byRole[c.RoleName]; !ok {
			roles = append(roles, c.RoleName)
		}
		byRole[c.RoleName] = append(byRole[c.RoleName], c)
	}
	for _, role := range roles {
		var b strings.Builder
		b.WriteString(escape(role) + "\n")
		for _, c := range byRole[role] {
			line := accessLine(c)
			if a.colours() {
				line = paint(c.Action, line)
			}
			b.WriteString("  " + line + "\n")
		}
		b.WriteString("\n")
		if _, err := io.WriteString(a.out, b.String()); err != nil {
			return err
		}
	}
	return nil
}

// accessLine is a change as SQL, with a comment that says why.
func accessLine(c authdb.GrantChange) string {
	what := textOf(c.Object)
	if c.Statement != nil {
		what = *c.Statement + ";"
	}
	notes := c.Hazards
	if c.Reason != nil {
		notes = append([]string{*c.Reason}, notes...)
	}
	if len(notes) > 0 {
		what += "  -- " + strings.Join(notes, "; ")
	}
	return fmt.Sprintf("%-8s  %s", c.Action, escapeLines(strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(what)))
}

// summaryOf counts what is to be looked at twice.
func summaryOf(plan authdb.GrantPlan) string {
	if len(plan.Changes) == 0 {
		return "nothing to do"
	}
	var hazards []string
	count := map[string]int{}
	roles := map[string]bool{}
	for _, c := range plan.Changes {
		roles[c.RoleName] = true
		names := c.Hazards
		if c.IsConflict() {
			names = []string{"cannot be done"}
		}
		for _, hazard := range names {
			if count[hazard]++; count[hazard] == 1 {
				hazards = append(hazards, hazard)
			}
		}
	}
	who := "1 role"
	if len(roles) != 1 {
		who = fmt.Sprintf("%d roles", len(roles))
	}
	text := changesOf(len(plan.Changes)) + " of " + who
	for i, hazard := range hazards {
		text += []string{"; ", ", "}[min(i, 1)] + fmt.Sprintf("%s: %d", hazard, count[hazard])
	}
	return text
}

// printAccessScript prints a script for psql. What cannot be done is an error: there is no script of a part.
func (a *app) printAccessScript(ctx context.Context, c *access) error {
	scripts, err := inEach(ctx, a, c, func(db *authdb.DB, d *policy.Declaration) ([]string, error) { return db.PlanScript(ctx, d) })
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("-- What makes roles able to do what " + oneLine(c.file) + " says, and nothing else. For psql; made by rolewright plan --output sql.\n")
	b.WriteString("\\set ON_ERROR_STOP on\n")
	isEmpty := true
	for i, script := range scripts {
		b.WriteString("\n")
		if name := c.policy.Databases[i].Name; name != "" {
			connect, err := connectCommand(name)
			if err != nil {
				return err
			}
			b.WriteString(connect + "\n")
		}
		if len(script) == 0 {
			b.WriteString("-- nothing to do\n")
			continue
		}
		isEmpty = false
		b.WriteString("BEGIN;\n")
		for _, statement := range script {
			if !strings.HasPrefix(statement, "--") {
				statement += ";"
			}
			b.WriteString(statement + "\n")
		}
		b.WriteString("COMMIT;\n")
	}
	if _, err := io.WriteString(a.out, b.String()); err != nil || isEmpty {
		return err
	}
	return errDiffers
}

func oneLine(text string) string { return strings.Join(strings.Fields(escapeLines(text)), " ") }

var plainDatabase = regexp.MustCompile(`^[A-Za-z0-9_.]+$`)

// connectCommand is psql's \connect. A name with = or :// would be a connection string to it.
func connectCommand(database string) (string, error) {
	if plainDatabase.MatchString(database) {
		return `\connect ` + database, nil
	}
	if strings.ContainsAny(database, "\n\r") {
		return "", fmt.Errorf("psql cannot connect to database %q", database)
	}
	value := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(database)
	return `\connect -reuse-previous=on "dbname='` + strings.ReplaceAll(value, `"`, `""`) + `'"`, nil
}
