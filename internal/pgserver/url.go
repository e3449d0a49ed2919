package pgserver

import (
	"net/url"
	"slices"
	"strings"
)

// fromEnvironment answers which server was named, and by what; source is empty when none was.
func fromEnvironment(explicit string, getenv func(string) string) (url, source string) {
	if explicit != "" {
		return explicit, "--database-url"
	}
	if url := getenv("DATABASE_URL"); url != "" {
		return url, "DATABASE_URL"
	}
	for _, name := range []string{"PGSERVICE", "PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER"} {
		if getenv(name) != "" {
			return "postgres://", name // everything else comes from the PG* variables, as libpq would have it
		}
	}
	return "", ""
}

// withDatabase names another database in a URL, or in libpq's keyword=value form, where the last word counts.
func withDatabase(conninfo, database string) string {
	if database == "" {
		return conninfo
	}
	if !strings.HasPrefix(conninfo, "postgres://") && !strings.HasPrefix(conninfo, "postgresql://") {
		return conninfo + " dbname='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(database) + "'"
	}
	u, err := url.Parse(conninfo)
	if err != nil {
		return conninfo // connecting says what is wrong with it
	}
	// By hand: net/url would write spaces as plus signs, which libpq and pgx take for plus signs.
	parameters := slices.DeleteFunc(strings.Split(u.RawQuery, "&"), func(parameter string) bool {
		return strings.HasPrefix(parameter, "dbname=") || strings.HasPrefix(parameter, "database=")
	})
	u.RawQuery = strings.Join(parameters, "&")
	u.Path, u.RawPath = "/"+database, ""
	return u.String()
}

// socketURL connects through the socket in a directory, as the superuser of a cluster of ours.
func socketURL(directory string) string {
	return (&url.URL{
		Scheme:   "postgres",
		User:     url.User("postgres"),
		Path:     "/postgres",
		RawQuery: "host=" + strings.ReplaceAll(url.QueryEscape(directory), "+", "%20") + "&port=" + port,
	}).String()
}

// port is part of a socket's name. The directory is ours alone, so that it never collides.
const port = "5432"
