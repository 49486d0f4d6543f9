package main

import (
	"bufio"
	"context"
	"os"

	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
)

// serviceName is the source of its entries in the event log; the service manager tells a service that runs alone
// whatever it is called.
const serviceName = "siembridge"

// maxEntry is how long an entry of the event log may be in bytes (31,839 characters: ReportEvent, lpStrings).
const maxEntry = 31 << 10

// asService runs the command line as a service when Windows' service manager has started the program; ok is false when
// it has not. A stop and a shutdown end the command as Ctrl-C does. What it would print goes to the event log.
func asService(run func(ctx context.Context) int) (code int, ok bool) {
	if is, err := svc.IsWindowsService(); err != nil || !is {
		return 0, false
	}
	s := &service{run: run}
	finish := logToEvents()
	defer finish()
	if err := svc.Run(serviceName, s); err != nil {
		return exitFailure, true
	}
	return s.code, true
}

// service is the handler that the service manager speaks to.
type service struct {
	run  func(ctx context.Context) int
	code int
}

// Execute implements svc.Handler.
func (s *service) Execute(_ []string, requests <-chan svc.ChangeRequest, status chan<- svc.Status) (specific bool, code uint32) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan int, 1)
	go func() { ended <- s.run(ctx) }()
	const accepts = svc.AcceptStop | svc.AcceptShutdown
	status <- svc.Status{State: svc.Running, Accepts: accepts}
	for {
		select {
		case s.code = <-ended:
			status <- svc.Status{State: svc.StopPending}
			return true, uint32(s.code)
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				status <- r.CurrentStatus
			case svc.Stop, svc.Shutdown:
				status <- svc.Status{State: svc.StopPending, WaitHint: 10_000} // milliseconds, as for SIGTERM
				cancel()
			}
		}
	}
}

// logToEvents sends standard error to the event log, a line an entry, until the function it returns is called.
func logToEvents() (finish func()) {
	log, err := eventlog.Open(serviceName)
	if err != nil {
		return func() {}
	}
	r, w, err := os.Pipe()
	if err != nil {
		log.Close()
		return func() {}
	}
	before := os.Stderr
	os.Stderr = w
	done := make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewReaderSize(r, maxEntry)
		for {
			line, _, err := lines.ReadLine() // a longer line comes in pieces
			if err != nil {
				return
			}
			_ = log.Info(1, string(line))
		}
	}()
	return func() {
		os.Stderr = before
		w.Close()
		<-done
		r.Close()
		log.Close()
	}
}
