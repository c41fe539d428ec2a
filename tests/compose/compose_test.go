package compose_test

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go-micro.dev/v5/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/micro/platform/kv-srv/kvclient"
	kvpb "github.com/micro/platform/proto/micro/kv/v1"
	"github.com/micro/platform/tests/console"
)

// address is where docker-compose.yml publishes kv-srv.
const address = "127.0.0.1:8106"

func TestCompose(t *testing.T) {
	s := clone(t)
	begin := time.Now()
	s.run("docker-compose", "build")
	t.Logf("docker-compose build took %s (seconds: from the cache)", time.Since(begin).Round(time.Second))

	console.Run(t, s.dir, nil, console.Marked(t, s.dir+"/README.md", "compose"))

	begin = time.Now()
	s.run("make", "up")
	t.Logf("make up took %s with images there", time.Since(begin).Round(time.Second))
	for _, step := range []struct {
		name string
		test func(*site)
	}{
		{"image", testImage}, {"from outside", testOutside}, {"from a container", testInside}, {"console", testConsole}, {"discovery", testDiscovery},
		{"kill", testKill}, {"stop", testStop}, {"backup", testBackup}, {"alone", testAlone}, {"mutual TLS", testMutual},
		{"backends", testBackends}, {"etcd", testEtcd}, {"ring", testRing}, {"down", testDown},
	} {
		t.Run(step.name, func(t *testing.T) {
			s := *s
			s.t = t
			step.test(&s)
		})
	}
}

// outside is a client of kv-srv that knows its address.
func outside() *kvclient.Client {
	return kvclient.New(client.NewClient(), kvclient.WithAddress(address))
}

// testImage: nothing is in it that need not be, and nothing may be done that need not.
func testImage(s *site) {
	size, err := strconv.Atoi(s.inspect("micro-platform/kv-srv", "{{.Size}}"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Logf("the image of kv-srv has %.1f MB", float64(size)/1e6)
	if size > 60e6 {
		s.t.Errorf("the image has %d bytes", size)
	}
	if got, want := s.run("docker", "run", "--rm", "micro-platform/kv-srv", "--version"), "kv-srv "+os.Getenv("VERSION")+" "; !strings.HasPrefix(got, want) {
		s.t.Errorf("got version %q, want %q", got, want)
	}
	c := s.container("kv-srv")
	for format, want := range map[string]string{
		"{{.Config.User}}":                "65532:65532",
		"{{.HostConfig.ReadonlyRootfs}}":  "true",
		"{{.HostConfig.CapDrop}}":         "[ALL]",
		"{{.HostConfig.SecurityOpt}}":     "[no-new-privileges:true]",
		"{{json .NetworkSettings.Ports}}": `{"8106/tcp":[{"HostIp":"127.0.0.1","HostPort":"8106"}]}`,
		"{{len .Mounts}} {{(index .Mounts 0).Destination}} {{(index .Mounts 0).Type}}": "1 /data volume",
	} {
		if got := s.inspect(c, format); got != want {
			s.t.Errorf("%s: got %s, want %s", format, got, want)
		}
	}
}

// testOutside calls by go-micro RPC, gRPC and HTTP.
func testOutside(s *site) {
	ctx := s.t.Context()
	if _, err := outside().Put(ctx, "greeting", []byte("hello")); err != nil {
		s.t.Fatal(err)
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	rsp := new(kvpb.GetResponse)
	if err := conn.Invoke(ctx, "/micro.kv.v1.KV/Get", &kvpb.GetRequest{Key: "greeting"}, rsp); err != nil || string(rsp.GetItem().GetValue()) != "hello" {
		s.t.Errorf("gRPC: got %v, %v", rsp, err)
	}
	curl := []string{"-s", "-w", " %{http_code}", "-H", "Content-Type: application/json", "-d", `{"key":"greeting"}`, "http://" + address + "/micro.kv.v1.KV/Get"}
	for host, want := range map[string]string{address: `"aGVsbG8="`, "kv-srv:8106": `"aGVsbG8="`, "evil.example": "403"} {
		if got := s.run("curl", append(curl, "-H", "Host: "+host)...); !strings.Contains(got, want) {
			s.t.Errorf("curl for %s: got %s, want %s", host, got, want)
		}
	}
}

// testInside calls by name, from a container of another image: by go-micro RPC and gRPC.
func testInside(s *site) {
	image := s.image("platform")
	platform := func(args ...string) string { return s.platform(image, args...) }
	if got := platform("kv", "get", "greeting", "--address", "kv-srv:8106"); got != "hello" {
		s.t.Errorf("go-micro RPC: got %q", got)
	}
	if got := platform("call", "kv-srv", "KV.Get", `{"key":"greeting"}`, "--address", "kv-srv:8106"); !strings.Contains(got, "aGVsbG8=") {
		s.t.Errorf("gRPC: got %q", got)
	}
}

// testConsole: it finds kv-srv, shows how it is, and has its pages.
func testConsole(s *site) {
	const page = "http://127.0.0.1:8080/"
	s.await(func() error {
		if got := s.run("curl", "-s", page); !strings.Contains(got, "3 services, 3 instances, all ready") {
			return fmt.Errorf("the first page has %s", got)
		}
		return nil
	})
	if got := s.run("curl", "-s", page+"kv/keys?namespace=default"); !strings.Contains(got, "greeting") {
		s.t.Errorf("the page of the keys has %s", got)
	}
}

// platform runs the command in a container of its own.
func (s *site) platform(image string, args ...string) string {
	s.t.Helper()
	return s.run("docker", append([]string{"run", "--rm", "--network", s.project + "_default", image}, args...)...)
}

// testBackup takes a backup of a container, and puts it back as README.md says.
func testBackup(s *site) {
	kv := outside()
	if _, err := kv.Put(s.t.Context(), "backup", []byte("in it")); err != nil {
		s.t.Fatal(err)
	}
	archive := s.platform(s.image("platform"), "backup", "kv-srv", "-", "--address", "kv-srv:8106")
	if err := os.WriteFile(s.dir+"/kv.tar", []byte(archive), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if _, err := kv.Put(s.t.Context(), "backup", []byte("later")); err != nil {
		s.t.Fatal(err)
	}
	s.run("docker-compose", "stop", "kv-srv")
	s.run("sh", "-c", "docker-compose run --rm -T kv-srv restore --replace - < kv.tar")
	s.run("make", "up")
	if got, err := kv.Get(s.t.Context(), "backup"); err != nil || string(got.Value) != "in it" {
		s.t.Errorf("got %s, %v", got.Value, err)
	}
}

// testKill ends the process in the container by SIGKILL, in the middle of writes. Docker
// itself must not do it: that would be a wish of the operator's.
func testKill(s *site) {
	c := s.container("kv-srv")
	pid, err := strconv.Atoi(s.inspect(c, "{{.State.Pid}}"))
	if err != nil || pid <= 1 {
		s.t.Fatalf("got process %d, %v", pid, err)
	}
	kv := outside()
	const killed = 500
	written := 0
	for ; ; written++ {
		if _, err := kv.Put(s.t.Context(), fmt.Sprintf("kill/%d", written), []byte("v")); err != nil {
			if written < killed {
				s.t.Fatal(err)
			}
			break
		}
		if written == killed {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	s.await(func() error {
		if err := unless(s.inspect(c, "{{.RestartCount}} {{.State.Running}}"), "1 true"); err != nil {
			return err
		}
		_, err := kv.Get(s.t.Context(), "greeting")
		return err
	})
	for i := range written {
		if _, err := kv.Get(s.t.Context(), fmt.Sprintf("kill/%d", i)); err != nil {
			s.t.Fatalf("write %d of %d: %v", i, written, err)
		}
	}
	s.healthy(c)
}

// testStop: it ends by itself when it is told to.
func testStop(s *site) {
	c := s.container("kv-srv")
	s.run("docker-compose", "stop", "kv-srv")
	if got := s.inspect(c, "{{.State.ExitCode}} {{.State.OOMKilled}}"); got != "0 false" {
		s.t.Errorf("got exit code %s", got)
	}
	s.run("make", "up")
	if got, err := outside().Get(s.t.Context(), "greeting"); err != nil || string(got.Value) != "hello" {
		s.t.Errorf("got %v, %v", got, err)
	}
}

// testBackends: what is offered is named by a version.
func testBackends(s *site) {
	names := s.lines("docker-compose", "--profile", "backends", "config", "--services")
	if len(names) < 2 {
		s.t.Errorf("got services %v", names)
	}
	for line := range strings.Lines(s.run("docker-compose", "--profile", "backends", "config")) {
		image, ok := strings.CutPrefix(strings.TrimSpace(line), "image: ")
		if ok && !strings.HasPrefix(image, "micro-platform/") && !strings.Contains(image, ":") || strings.HasSuffix(image, ":latest") {
			s.t.Errorf("image %s has no version", image)
		}
	}
}

// testDown leaves nothing but the data, and -v not that.
func testDown(s *site) {
	s.run("make", "up")
	s.run("make", "down")
	s.noneLeft()
	if got, want := s.left("volume", "ls"), s.project+"_kv"; !slices.Contains(got, want) {
		s.t.Errorf("got volumes %v, want %s among them", got, want)
	}
	s.run("docker-compose", "down", "-v")
	if got := s.left("volume", "ls"); len(got) > 0 {
		s.t.Errorf("with -v volumes %v are left", got)
	}
	if conn, err := net.DialTimeout("tcp", address, patience); err == nil {
		_ = conn.Close()
		s.t.Errorf("%s still answers", address)
	}
}

// noneLeft looks for containers and networks of the project.
func (s *site) noneLeft() {
	s.t.Helper()
	if containers, networks := s.left("ps", "-a"), s.left("network", "ls"); len(containers)+len(networks) > 0 {
		s.t.Errorf("containers %v and networks %v are left", containers, networks)
	}
}

// left is what a command of docker lists of the project.
func (s *site) left(args ...string) []string {
	s.t.Helper()
	return s.lines("docker", append(args, "-q", "--filter", "label=com.docker.compose.project="+s.project)...)
}
