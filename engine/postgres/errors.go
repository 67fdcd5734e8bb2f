package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"mulligan/engine"
)

// sentinel is the port's word for a server's SQLSTATE; nil = it has none.
// PostgreSQL manual, appendix "PostgreSQL Error Codes".
func sentinel(code string) error {
	switch code {
	case "3D000": // invalid_catalog_name
		return engine.ErrNotExist
	case "42P04": // duplicate_database
		return engine.ErrExist
	case "55006": // object_in_use
		return engine.ErrInUse
	case "28P01", "28000", "42501": // invalid_password, invalid_authorization_specification, insufficient_privilege
		return engine.ErrDenied
	case "57P03": // cannot_connect_now: starting up or shutting down
		return engine.ErrNoServer
	}
	if strings.HasPrefix(code, "08") { // connection exceptions
		return engine.ErrNoServer
	}
	return nil
}

// mapped joins the port's sentinel to an error of the server, and the context's reason to an
// error that came because ctx ended: the driver then reports a timeout or a cancelled statement.
func mapped(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	var server *pgconn.PgError
	if !errors.As(err, &server) {
		return err
	}
	err = withDetail(server, withPlace(server, err))
	if s := sentinel(server.Code); s != nil && !errors.Is(err, s) {
		return fmt.Errorf("%w: %w", s, err)
	}
	return err
}

// withPlace adds the line of the rows in which a COPY failed, without the value that stands there.
func withPlace(server *pgconn.PgError, err error) error {
	place, _, _ := strings.Cut(server.Where, ": ")
	if !strings.HasPrefix(place, "COPY ") || strings.Contains(err.Error(), place) {
		return err
	}
	return fmt.Errorf("%w, in %s", err, place)
}

// withDetail adds what the server says besides its message. Details of errors about rows may quote
// values of the user's rows: those stay out, but for keys, which say where to look.
func withDetail(server *pgconn.PgError, err error) error {
	switch {
	case server.Detail == "":
		return err
	case strings.HasPrefix(server.Code, "23") && !strings.HasPrefix(server.Detail, "Key "):
		return err
	case strings.Contains(err.Error(), server.Detail):
		return err
	default:
		return fmt.Errorf("%w: %s", err, server.Detail)
	}
}

// connectFault turns a failed connection attempt into an error of the port, without
// the driver's configuration, which holds the password.
func connectFault(ctx context.Context, url engine.URL, err error) error {
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return mapped(ctx, server)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	var dial *net.OpError
	if errors.As(err, &dial) {
		return fmt.Errorf("%w: %s", engine.ErrNoServer, url.Scrub(dial.Error()))
	}
	text := err.Error()
	if failed := new(pgconn.ConnectError); errors.As(err, &failed) && failed.Unwrap() != nil {
		text = failed.Unwrap().Error()
	}
	return fmt.Errorf("%w: %s", engine.ErrNoServer, url.Scrub(strings.Join(strings.Fields(text), " ")))
}

// isState tells whether err is the server's, with one of the SQLSTATEs.
func isState(err error, codes ...string) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && slices.Contains(codes, server.Code)
}
