package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mulligan/engine"
	"mulligan/internal/lock"
)

func hostname(t testing.TB) string {
	t.Helper()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// run is the id of the run that the program has begun.
func (r *running) run() string {
	r.t.Helper()
	found := regexp.MustCompile(`(?m)^run (\S+)$`).FindStringSubmatch(r.stderr())
	if found == nil {
		r.t.Fatalf("no run was begun:\n%s", r.stderr())
	}
	return found[1]
}

// names checks that a run which was refused says by whom, and what to do.
func (s *site) names(refused, holder *running, host string) {
	s.t.Helper()
	run, text := holder.run(), refused.stderr()
	want := fmt.Sprintf("locked by mulligan rebuild (run %s) on host %s, process %d, since 2", run, host, holder.cmd.Process.Pid)
	if !strings.Contains(text, want) || !strings.Contains(text, "hint: another run works on this database") || !strings.Contains(text, "`mulligan runs show "+run+"` shows it") {
		s.t.Errorf("it does not say %q, and how to look at it:\n%s", want, text)
	}
}

// TestRace starts two runs at once, on two machines with two folders: one of them wins. It is killed behind a proxy that keeps
// its sessions open. On another machine the next run stays locked out; on the same one the end is proved, and it goes on.
func TestRace(t *testing.T) {
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, engine)
			direct := s.env
			fallSilent := func() {}
			if s.server != nil {
				p := newProxy(t, s.server.Addr())
				s.env = append(direct[:len(direct):len(direct)], "DATABASE_URL="+strings.Replace(s.url, s.server.Addr(), p.Addr().String(), 1))
				fallSilent = p.fallSilent
			}
			winner := s.race("alpha", "beta")
			other := map[string]string{"alpha": "beta", "beta": "alpha"}[s.host]
			fallSilent()
			if err := winner.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			winner.wait()
			s.env = direct
			home := s.host
			if s.server != nil {
				s.host = other
				r := s.must(exitLocked, s.rebuilds()...)
				s.names(r, winner, home)
				if !regexp.MustCompile(`hint: .*; on host ` + home + ` .*\nhint: whether it lives cannot be proved from here; .* session in the server: (KILL |SELECT pg_terminate_backend\()\d+`).MatchString(r.stderr()) {
					t.Errorf("no hint what to do:\n%s", r.stderr())
				}
			}
			s.host = home
			begin := time.Now()
			s.must(0, append(s.rebuilds(), "--evict")...) // the dead run's other sessions are as open
			t.Logf("the next run took %v", time.Since(begin))
		})
	}
}

// rebuilds are the arguments of a rebuild with the host's own folder.
func (s *site) rebuilds() []string {
	return []string{"--state-dir", filepath.Join(s.dir, s.host), "rebuild", "--yes"}
}

// race starts a rebuild on each of two hosts, and checks that one is told of the other. That other it stops while it loads, and
// leaves the site on its host.
func (s *site) race(hosts ...string) (winner *running) {
	s.t.Helper()
	won := make(chan *running, 2)
	racers := map[*running]string{}
	for _, s.host = range hosts {
		r := s.start(s.rebuilds()...)
		racers[r] = s.host
		r.on(within("load"), func() {
			if err := r.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				s.t.Errorf("stop it: %v", err)
			}
			won <- r
		})
		s.t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	}
	select {
	case winner = <-won:
	case <-time.After(2 * time.Minute):
		s.t.Fatal("neither has come to load")
	}
	for loser := range racers {
		if loser == winner {
			continue
		}
		select {
		case <-won:
			s.t.Fatal("both have won")
		case <-loser.read:
		}
		s.ended(loser)
		if loser.code != exitLocked {
			s.t.Fatalf("the loser: exit code %d\n%s", loser.code, loser.stderr())
		}
		s.names(loser, winner, racers[winner])
	}
	s.host = racers[winner]
	return winner
}

// racer is the name under which tests start race as a child process.
const racer = "mulligan-lock-racer"

// race asks for a database's lock at each line of its input, and says whether it has won, or to whom it has lost. At the next line it lets go.
func race() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	check := func(err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	url, err := engine.ParseURL(os.Args[1])
	check(err)
	server, err := connect(ctx, url)
	check(err)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var locked *engine.LockedError
		l, err := server.(engine.Locker).Lock(ctx, url.Database(), lock.This("race", os.Args[2]))
		for errors.As(err, &locked) && locked.Holder.PID == 0 { // the winner has not yet written who it is
			l, err = server.(engine.Locker).Lock(ctx, url.Database(), lock.This("race", os.Args[2]))
		}
		if errors.As(err, &locked) {
			fmt.Println("lost to " + locked.Holder.Run)
			lines.Scan()
			continue
		}
		check(err)
		fmt.Println("won")
		lines.Scan()
		check(errors.Join(l.Held(ctx), l.Unlock()))
	}
}

// TestManyRaces lets two processes race for one lock many times: each time one has it, and the other is told of that one.
func TestManyRaces(t *testing.T) {
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, engine, t.TempDir())
			names := []string{"one", "two"}
			var tell []io.WriteCloser
			var hear []*bufio.Scanner
			for _, name := range names {
				cmd := exec.CommandContext(t.Context(), racer, p.url, name)
				input, err := cmd.StdinPipe()
				if err != nil {
					t.Fatal(err)
				}
				output, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					_ = input.Close()
					_ = cmd.Wait() // what went wrong it has said
				})
				tell, hear = append(tell, input), append(hear, bufio.NewScanner(output))
			}
			both := func() {
				for _, in := range tell {
					if _, err := fmt.Fprintln(in, "go on"); err != nil {
						t.Fatal(err)
					}
				}
			}
			won := [2]int{}
			for range 25 {
				both()
				winner, said := -1, [2]string{}
				for i, out := range hear {
					out.Scan()
					if said[i] = out.Text(); said[i] == "won" {
						winner = i
					}
				}
				if winner < 0 || said[1-winner] != "lost to "+names[winner] {
					t.Fatalf("the racers say %q", said)
				}
				won[winner]++
				both()
			}
			t.Logf("the first has won %d times, the second %d times", won[0], won[1])
		})
	}
}

// TestLockLost takes the lock of a run away while it loads: it does not come to the swap.
func TestLockLost(t *testing.T) {
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, engine)
			before := s.dump(t, "")
			r := s.held("load", "rebuild", "--yes")
			s.loseLock(r)
			s.goOn(r)
			if r.code != exitMidway || !strings.Contains(r.stderr(), "the lock on database "+s.name+" was lost: ") || !strings.Contains(r.stderr(), "hint: `mulligan resume "+r.run()) {
				t.Fatalf("exit code %d, want %d\n%s", r.code, exitMidway, r.stderr())
			}
			if s.dump(t, "") != before {
				t.Error("the database is not what it was")
			}
			s.must(0, "resume")
			if left := s.scratches(); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestLockLostInPlace: the old database is not set aside.
func TestLockLostInPlace(t *testing.T) {
	t.Parallel()
	s := newSite(t, "sqlite")
	before := s.dump(t, "")
	r := s.held("verify", "rebuild", "--yes", "--strategy", "in-place")
	s.loseLock(r)
	s.goOn(r)
	if r.code != exitMidway || s.dump(t, "") != before {
		t.Fatalf("exit code %d, want %d, and the database as it was\n%s", r.code, exitMidway, r.stderr())
	}
	s.must(0, "undo", "--yes")
	if s.dump(t, "") != before {
		t.Error("taken back, the database is not what it was")
	}
}

// loseLock ends what holds the server's lock for a run.
func (s *site) loseLock(r *running) {
	s.t.Helper()
	switch s.engine {
	case "sqlite":
		if err := os.Remove(filepath.Join(filepath.Dir(s.name), "."+filepath.Base(s.name)+".lock")); err != nil {
			s.t.Fatal(err)
		}
	case "postgres":
		if n := s.value(s.t, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'mulligan rebuild "+r.run()+"'"); n != "1" {
			s.t.Fatalf("%s sessions hold the lock", n)
		}
	default:
		sum := sha256.Sum256([]byte(s.name))
		s.exec(s.t, "KILL "+s.value(s.t, "SELECT IS_USED_LOCK('mulligan:"+hex.EncodeToString(sum[:20])+"')"))
	}
}

// proxy hands connections on to a server. Silent, it tells the server nothing more, not even that a client is gone.
type proxy struct {
	net.Listener
	mu     sync.Mutex // guards silent and open
	silent bool
	open   []net.Conn
}

func newProxy(t testing.TB, server string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return // closed
			}
			all.Go(func() { p.serve(client, server) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		for _, c := range p.open {
			c.Close()
		}
		p.mu.Unlock()
		all.Wait()
	})
	return p
}

func (p *proxy) serve(client net.Conn, address string) {
	defer client.Close()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.open = append(p.open, server, client)
	p.mu.Unlock()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(client, server)
		client.Close()
	})
	_, _ = io.Copy(server, client)
	p.mu.Lock()
	if !p.silent {
		server.Close()
	}
	p.mu.Unlock()
	back.Wait()
}

func (p *proxy) fallSilent() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = true
}
