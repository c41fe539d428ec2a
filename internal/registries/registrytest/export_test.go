package registrytest

import "testing"

// Attempt runs a test of no registry that is to fail, and returns what it fails with.
func Attempt(t testing.TB, h Harness, run func(testing.TB)) []string {
	t.Helper()
	return attempt(t, h, test{"Test", func(s *suite) { run(s) }})
}

// Check says if a test has not failed as it should.
func (o OptOut) Check(failures []string) error { return o.check(failures) }

// Plan says what is wrong with opt-outs.
func Plan(outs ...OptOut) error {
	_, err := plan(outs)
	return err
}
