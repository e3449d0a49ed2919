// Package containers starts PostgreSQL in a container. It is a module of its own, so that testcontainers, with its
// fifty dependencies, is none of the product's.
package containers

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/postgres"

	"github.com/rolewright/rolewright/internal/pgserver"
)

// Image is what is started, unless ROLEWRIGHT_TEST_IMAGE names another one.
const Image = "postgres:18-alpine"

// Start returns a superuser's URL and what removes the container. The error is a pgserver.ErrUnavailable where
// Docker does not answer or the image cannot be had.
func Start(ctx context.Context, log io.Writer) (address string, remove func() error, err error) {
	image := cmp.Or(os.Getenv("ROLEWRIGHT_TEST_IMAGE"), Image)
	if err := available(ctx, image, log); err != nil {
		return "", nil, fmt.Errorf("%w: %w", pgserver.ErrUnavailable, err)
	}
	container, err := postgres.Run(ctx, image,
		postgres.WithPassword(rand.Text()),
		postgres.WithUsername("postgres"),
		postgres.WithDatabase("postgres"),
		testcontainers.WithCmdArgs("-c", "max_connections=300", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"),
		postgres.BasicWaitStrategies(),
	)
	remove = func() error { return testcontainers.TerminateContainer(container) }
	if err == nil {
		address, err = container.ConnectionString(ctx, "sslmode=disable")
	}
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("start a container from %s: %w", image, err), remove())
	}
	return address, remove, nil
}

// available makes sure that Docker answers and has the image, which may have to be downloaded first.
func available(ctx context.Context, image string, log io.Writer) error {
	provider, err := testcontainers.NewDockerProvider()
	if err != nil {
		return err
	}
	defer provider.Close()
	if err := provider.Health(ctx); err != nil {
		return err
	}
	if _, err := provider.Client().ImageInspect(ctx, image); err == nil {
		return nil
	}
	fmt.Fprintf(log, "Downloading the image %s …\n", image)
	return provider.PullImage(ctx, image)
}
