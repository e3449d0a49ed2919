package cli

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"github.com/xdg-go/scram"
	"github.com/xdg-go/stringprep"
	"golang.org/x/term"
)

// What PostgreSQL takes by default.
const (
	scramIterations = 4096
	scramSaltLength = 16
)

// maxPassword is far more than PostgreSQL's own tools take.
const maxPassword = 4096

// readPassword reads one line, or asks on a terminal, twice and without showing it.
func (a *app) readPassword() (string, error) {
	if file, ok := a.in.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		password, err := a.askPassword(file, "Password: ")
		if err != nil {
			return "", err
		}
		again, err := a.askPassword(file, "Again: ")
		if err != nil {
			return "", err
		}
		if again != password {
			return "", errors.New("the two passwords are not the same; nothing was changed")
		}
		return password, checkPassword(password)
	}
	return firstLine(a.in)
}

func firstLine(in io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(in, maxPassword+2)).ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	password := string(bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")))
	return password, checkPassword(password)
}

func (a *app) askPassword(terminal *os.File, prompt string) (string, error) {
	fmt.Fprint(a.errOut, prompt)
	defer fmt.Fprintln(a.errOut)
	password, err := term.ReadPassword(int(terminal.Fd()))
	return string(password), err
}

func checkPassword(password string) error {
	switch {
	case password == "":
		return usageErrorf("the password is empty; --no-password takes it away")
	case len(password) > maxPassword:
		return usageErrorf("the password has more than %d bytes", maxPassword)
	case bytes.ContainsRune([]byte(password), 0):
		return usageErrorf("the password has a zero byte, which no client could send")
	}
	return nil
}

// scramVerifier is what PostgreSQL keeps in the place of a password. It is made here, so that the password itself never
// reaches the server, its statements or its log.
func scramVerifier(password string) (string, error) {
	// The salt is never read back, so rand.Read cannot fail unnoticed: it ends the program instead.
	salt := make([]byte, scramSaltLength)
	_, _ = rand.Read(salt)
	return scramVerifierWith(password, salt, scramIterations)
}

// scramVerifierWith makes the verifier that a password had already.
func scramVerifierWith(password string, salt []byte, iterations int) (string, error) {
	client, err := scram.SHA256.NewClientUnprepped("", saslprep(password), "")
	if err != nil {
		return "", err
	}
	keys, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: iterations})
	if err != nil {
		return "", err
	}
	base := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, base(salt), base(keys.StoredKey), base(keys.ServerKey)), nil
}

// saslprep normalizes as PostgreSQL does at a login: what cannot be normalized is taken as it is.
func saslprep(password string) string {
	if !utf8.ValidString(password) {
		return password
	}
	if prepared, err := stringprep.SASLprep.Prepare(password); err == nil && prepared != "" {
		return prepared
	}
	return password
}
