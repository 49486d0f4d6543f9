//go:build cluster && unix

package main

import (
	"flag"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The tests in this file run several siembridge processes on three nats-server processes, and take them away while
// records come. Nothing may be missing at the end; what came twice is counted.

var clusterRecords = flag.Int("cluster-records", 300, "records an API in each test of the cluster")

// clusterRun is one test: a cluster, instances, and what drives them.
type clusterRun struct {
	*testing.T
	*drive
	nats      *natsCluster
	instances []*instance
}

// instance is one siembridge.
type instance struct {
	name, config string
	cmd          *exec.Cmd
	log          *watched // since it was last started
}

// start starts an instance, or starts it again.
func (i *instance) start(t *testing.T, binary string) {
	i.log = newWatched()
	i.cmd = exec.Command(binary, "run", "--config", i.config)
	i.cmd.Stdout, i.cmd.Stderr = i.log, i.log
	if err := i.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd := i.cmd
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

func (i *instance) signal(t *testing.T, s syscall.Signal) {
	if err := i.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// end waits for the end of the process. One that does not end in time has to show what it waits for.
func (i *instance) end(t *testing.T) {
	late := time.AfterFunc(time.Minute, func() { _ = i.cmd.Process.Signal(syscall.SIGQUIT) })
	_ = i.cmd.Wait()
	if !late.Stop() {
		t.Errorf("%s does not end by itself:\n%.30000s", i.name, i.said())
	}
}

// said is what the instance has logged since it was last started, without what helps to debug.
func (i *instance) said() string {
	var said strings.Builder
	for line := range strings.Lines(i.log.String()) {
		if !strings.Contains(line, "level=DEBUG") {
			fmt.Fprintf(&said, "%.300s\n", strings.TrimRight(line, "\n"))
		}
	}
	return said.String()
}

// TestCluster takes away what a cluster consists of.
func TestCluster(t *testing.T) {
	for _, c := range []struct {
		name string
		act  func(r *clusterRun)
	}{
		{"kill -9 of the holder of a refresh token", func(r *clusterRun) {
			for range 3 {
				holder := r.holder()
				holder.signal(r.T, syscall.SIGKILL)
				holder.end(r.T)
				r.untilPulled("the holder was killed")
				holder.start(r.T, r.binary)
			}
		}},
		{"kill -9 of each server", func(r *clusterRun) {
			for i := range r.nats.servers {
				r.nats.kill(i)
				r.untilPulled(fmt.Sprintf("server %d was killed", i))
				r.nats.start(i)
				r.nats.wait(3)
			}
		}},
		{"kill -9 of all servers", func(r *clusterRun) {
			for i := range r.nats.servers {
				r.nats.kill(i)
			}
			for i := range r.nats.servers {
				r.nats.start(i)
			}
			r.nats.wait(3)
			r.untilPulled("all servers were killed and came back")
		}},
		{"the holder of a lease is paused", func(r *clusterRun) {
			holder := r.holder()
			holder.signal(r.T, syscall.SIGSTOP)
			r.untilPulled("the holder was paused")
			time.Sleep(2 * time.Second)
			holder.signal(r.T, syscall.SIGCONT)
		}},
		{"the paused holder of a lease is killed", func(r *clusterRun) {
			holder := r.holder()
			holder.signal(r.T, syscall.SIGSTOP)
			r.untilPulled("the holder was paused")
			holder.signal(r.T, syscall.SIGKILL)
			holder.end(r.T)
			holder.start(r.T, r.binary)
		}},
		{"the servers lose acknowledged writes", func(r *clusterRun) {
			each := func(f func(i int)) {
				for i := range r.nats.servers {
					f(i)
				}
			}
			each(r.nats.stop)
			for _, i := range r.instances {
				r.untilAway(i, true)
			}
			each(r.nats.save)
			each(r.nats.start)
			r.nats.wait(3)
			for _, i := range r.instances { // of each something will be lost
				r.untilAway(i, false)
			}
			arrived := r.qradar.count()
			for until := (arrived + r.sightings()) / 2; r.qradar.count() < until; {
				<-r.qradar.arrived
			}
			r.Logf("%d events had arrived, %d more will be forgotten", arrived, r.qradar.count()-arrived)
			each(r.nats.kill)
			each(r.nats.restore)
			each(r.nats.start)
			r.nats.wait(3)
			for _, i := range r.instances { // which end by themselves, and are started again by systemd
				i.end(r.T)
				i.start(r.T, r.binary)
			}
			r.untilPulled("the servers had lost what was acknowledged")
		}},
		{"rolling restart", func(r *clusterRun) {
			for n, i := range r.instances {
				i.signal(r.T, terminate)
				i.end(r.T)
				r.untilPulled(i.name + " was stopped")
				i.start(r.T, r.binary)
				r.nats.stop(n)
				r.nats.start(n)
				r.nats.wait(3)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := driveOptions{apis: []string{"graph-alerts", "alerts"}, records: *clusterRecords, over: 20 * time.Second, changing: true}
			if strings.Contains(c.name, "lose") { // a record that has changed meanwhile comes as a new one
				o.changing, o.over = false, 40*time.Second
			}
			if strings.Contains(c.name, "refresh token") { // of which the emulated tenant has one chain
				o.apis, o.refresh = o.apis[:1], true
			}
			r := newClusterRun(t, o)
			c.act(r)
			r.finish()
		})
	}
}

// newClusterRun starts three servers and three instances, and waits until all run and records arrive.
func newClusterRun(t *testing.T, o driveOptions) *clusterRun {
	r := &clusterRun{T: t, nats: startNATS(t)}
	r.drive = newDrive(t, o)
	for n := range 3 {
		i := &instance{name: fmt.Sprint("instance ", n)}
		i.config = r.drive.instance(t, n, r.nats.urls())
		r.instances = append(r.instances, i)
		i.start(t, r.binary)
	}
	t.Cleanup(func() {
		if t.Failed() {
			r.tell()
		}
	})
	for _, i := range r.instances {
		i.log.wait(t, "msg=started")
	}
	for begun := time.Now(); r.qradar.count() < 20; time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatal("nothing arrives")
		}
	}
	return r
}

// tell shows what is missing, and what the instances said last.
func (r *clusterRun) tell() {
	r.mu.Lock()
	want := slices.Collect(maps.Keys(r.want))
	r.mu.Unlock()
	for _, s := range []*siem{r.qradar, r.arcsight} {
		missing := slices.DeleteFunc(slices.Clone(want), s.has)
		r.Logf("%s: %d missing, e.g. %v", s.name, len(missing), missing[:min(5, len(missing))])
	}
	for _, i := range r.instances {
		r.Logf("%s, since its start:\n%s", i.name, tail(i.said()))
	}
}

// answers counts what the APIs have answered.
func (r *clusterRun) answers() (n map[string]int) {
	n = map[string]int{}
	for _, api := range r.o.apis {
		n[api] = r.tenant.Answers(api)
	}
	return n
}

// untilPulled waits until every source is pulled again and says how long that took. One answer each may have been on its
// way.
func (r *clusterRun) untilPulled(what string) {
	begun, before := time.Now(), r.answers()
	for {
		pulled := true
		for api, n := range r.answers() {
			pulled = pulled && n > before[api]+1
		}
		if pulled {
			r.Logf("%s: every source was pulled again within %.1f s", what, time.Since(begun).Seconds())
			return
		}
		if time.Since(begun) > 2*time.Minute {
			r.Fatalf("%s: a source is not pulled any more", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// untilAway waits until an instance says that the servers do not answer, or that they do again: its sign of life was
// stored.
func (r *clusterRun) untilAway(i *instance, away bool) {
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		said := i.log.String()
		if away == (strings.LastIndex(said, "servers do not answer:") > strings.LastIndex(said, "servers answer again")) {
			return
		}
		if time.Since(begun) > time.Minute {
			r.Fatalf("%s does not see that the servers went or came back", i.name)
		}
	}
}

// holder returns an instance that pulls a source.
func (r *clusterRun) holder() *instance {
	for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(50 * time.Millisecond) {
		for _, i := range r.instances {
			pulls := map[string]bool{}
			for line := range strings.Lines(i.log.String()) {
				_, source, _ := strings.Cut(line, " source=")
				source, _, _ = strings.Cut(strings.TrimSpace(source), " ")
				if strings.Contains(line, `msg="pulls this source"`) {
					pulls[source] = true
				} else if strings.Contains(line, `msg="does not pull this source any more"`) {
					delete(pulls, source)
				}
			}
			if len(pulls) > 0 {
				r.Logf("%s pulls %v", i.name, slices.Sorted(maps.Keys(pulls)))
				return i
			}
		}
	}
	r.Fatal("nobody pulls")
	return nil
}

// finish waits for the rest and counts.
func (r *clusterRun) finish() {
	all := &watched{}
	r.drive.wait(r.T, all)
	var ends sync.WaitGroup
	for _, i := range r.instances {
		i.signal(r.T, terminate)
		ends.Go(func() { i.end(r.T) })
	}
	ends.Wait()
	r.check(r.T, 4<<20)
	for _, s := range []*siem{r.qradar, r.arcsight} {
		s.mu.Lock()
		repeated := 0
		for _, n := range s.seen {
			repeated += n - 1
		}
		r.Logf("%s: %d events, 0 missing, %d came again", s.name, len(s.seen), repeated)
		s.mu.Unlock()
	}
}
