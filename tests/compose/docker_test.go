// Package compose_test builds the images in a clean clone and runs docker-compose.yml,
// as who installs the platform would.
package compose_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// patience is for what takes seconds.
const patience = 90 * time.Second

// site is a clean clone, and a project of Compose that is its own.
type site struct {
	t       *testing.T
	dir     string
	project string
}

// clone makes a site of what is committed, which is removed with all that runs there.
func clone(t *testing.T) *site {
	t.Helper()
	if os.Getenv("COMPOSE") == "" {
		t.Skip("needs Docker, and takes ports of this machine: make test-compose")
	}
	s := &site{t, filepath.Join(t.TempDir(), "platform"), "platformtest" + strconv.Itoa(os.Getpid())}
	s.command("../..", "git", "clone", "-q", ".", s.dir)
	version := strings.TrimSpace(s.command(s.dir, "git", "describe", "--tags", "--always", "--abbrev=12"))
	for name, value := range map[string]string{"COMPOSE_PROJECT_NAME": s.project, "VERSION": version} {
		t.Setenv(name, value)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.run("docker-compose", "logs", "--tail", "30"))
		}
		s.run("docker-compose", "down", "-v", "--remove-orphans")
	})
	return s
}

// command runs a command in a folder and returns what it prints to stdout.
func (s *site) command(dir, name string, args ...string) string {
	s.t.Helper()
	cmd := exec.Command(name, args...)
	var errs strings.Builder
	cmd.Dir, cmd.Stderr = dir, &errs
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, errs.String())
	}
	return string(out)
}

// run runs a command in the clone, which must not fail, and returns what it prints.
func (s *site) run(name string, args ...string) string {
	s.t.Helper()
	return s.command(s.dir, name, args...)
}

// lines are those that a command prints.
func (s *site) lines(name string, args ...string) []string {
	s.t.Helper()
	return strings.Fields(s.run(name, args...))
}

// container is that of a service.
func (s *site) container(service string) string {
	s.t.Helper()
	ids := s.lines("docker-compose", "ps", "-q", service)
	if len(ids) != 1 {
		s.t.Fatalf("%s has containers %q, want one", service, ids)
	}
	return ids[0]
}

func (s *site) inspect(container, format string) string {
	s.t.Helper()
	return strings.TrimSpace(s.run("docker", "inspect", "-f", format, container))
}

// healthy waits until the health check of a container says so.
func (s *site) healthy(container string) {
	s.t.Helper()
	s.await(func() error { return unless(s.inspect(container, "{{.State.Health.Status}}"), "healthy") })
}

// await waits until there is no error.
func (s *site) await(check func() error) {
	s.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("after %s: %v", patience, err)
		}
	}
}

// begin runs a container of an image alone until the test ends.
func (s *site) begin(args ...string) string {
	s.t.Helper()
	id := strings.TrimSpace(s.run("docker", append([]string{"run", "-d"}, args...)...))
	s.t.Cleanup(func() { s.run("docker", "rm", "-f", "-v", id) })
	return id
}

// refused runs a container that must end, and returns its exit code and what it says.
func (s *site) refused(args ...string) (int, string) {
	s.t.Helper()
	out, err := exec.Command("docker", append([]string{"run", "--rm"}, args...)...).CombinedOutput()
	exit, ok := err.(*exec.ExitError) //nolint:errorlint // that of Command itself
	if !ok {
		s.t.Fatalf("docker run %s: got error %v, want an exit code\n%s", strings.Join(args, " "), err, out)
	}
	return exit.ExitCode(), string(out)
}

// image builds one of a service and returns its name. The arguments are those that Compose
// has built with, so that nothing is compiled again.
func (s *site) image(service string) string {
	s.t.Helper()
	name := s.project + "/" + service
	args := []string{"build", "-q", "-t", name, "--build-arg", "SERVICE=" + service}
	for _, v := range []string{"VERSION", "GOPROXY", "GOFLAGS", "GOSUMDB", "GONOSUMDB"} {
		args = append(args, "--build-arg", v+"="+os.Getenv(v))
	}
	s.run("docker", append(args, ".")...)
	s.t.Cleanup(func() { s.run("docker", "rmi", name) })
	return name
}

// unless is an error where got is not what is wanted.
func unless(got, want string) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("got %s, want %s", got, want)
}
