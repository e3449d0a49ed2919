package harness

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rolewright/rolewright/internal/pgserver"
)

// container starts a server through testcontainers. That has some fifty dependencies, which are none of the
// product's, so that it is a module and a program of its own: it prints the server's URL, or why there is none, and
// removes the container when its standard input ends, which happens also when the tests are killed.
func container(ctx context.Context) (*pgserver.Server, error) {
	module, err := containerModule()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "run", "./postgres")
	cmd.Dir = module
	cmd.Stderr = os.Stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: %w", pgserver.ErrUnavailable, err)
	}
	stop := func() error { return errors.Join(input.Close(), cmd.Wait()) }
	answer, err := bufio.NewReader(output).ReadString('\n')
	url, reason, _ := strings.Cut(strings.TrimSpace(answer), " ")
	switch {
	case url == "unavailable":
		return nil, errors.Join(fmt.Errorf("%w: %s", pgserver.ErrUnavailable, reason), stop())
	case err != nil:
		return nil, errors.Join(errors.New("the program that starts a container gave no URL"), err, stop())
	}
	server, err := pgserver.Connect(ctx, url, "a container", stop)
	if err == nil {
		server.Ours = true
	}
	return server, err
}

// containerModule finds tests/containers from the folder of the package that is tested, or one of its parents.
func containerModule() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		module := filepath.Join(folder, "tests", "containers")
		if _, err := os.Stat(filepath.Join(module, "go.mod")); err == nil {
			return module, nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", fmt.Errorf("%w: no folder tests/containers above the tests", pgserver.ErrUnavailable)
		}
		folder = parent
	}
}
