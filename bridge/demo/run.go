package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/siembridge/siembridge/bridge"
	"github.com/siembridge/siembridge/bridge/terminal"
)

// run runs the pipeline until everything arrived, or time is up.
func (d *demo) run(ctx context.Context, b *bridge.Bridge) (complete bool, err error) {
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- b.Run(running) }()

	line := terminal.NewLine(d.out)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	begun := time.Now()
	kill := time.Now().Add(time.Second)
wait:
	for {
		select {
		case <-tick.C:
			line.Show(fmt.Sprintf("%d records: %d at qradar, %d at arcsight, %s", d.o.Count, d.siems[0].arrived(), d.siems[1].arrived(),
				time.Since(begun).Round(100*time.Millisecond)))
			if d.o.Chaos && time.Now().After(kill) {
				s := d.siems[d.kills.IntN(len(d.siems))]
				s.receiver.Kill()
				s.killed++
				kill = time.Now().Add(700 * time.Millisecond)
			}
			if d.siems[0].arrived() >= d.o.Count && d.siems[1].arrived() >= d.o.Count {
				break wait
			}
		case <-deadline:
			break wait
		case <-ctx.Done():
			break wait
		case err = <-ended:
			line.Clear()
			return false, fmt.Errorf("the bridge ended before everything arrived: %w", err)
		}
	}
	stop()
	err = <-ended
	line.Clear()
	if err != nil {
		return false, err
	}
	return d.report(b), nil
}

// report shows events as received and the counts.
func (d *demo) report(b *bridge.Bridge) (complete bool) {
	for _, s := range d.siems {
		s.show(d.out)
	}
	pulled := uint64(0)
	for _, s := range b.Status().Sources {
		pulled += s.Pulled
	}
	fmt.Fprintf(d.out, "\n%d of the records appeared late, one title in three was made to break parsers.", d.late)
	fmt.Fprintf(d.out, " The tenant answered: %s.\n", answers(d.tenant.Served()))
	if d.o.Chaos {
		fmt.Fprintf(d.out, "Receivers killed: qradar %d times, arcsight %d times. What they may not have read was sent again, so records may arrive twice.\n",
			d.siems[0].killed, d.siems[1].killed)
	}
	failed := pulled != uint64(d.o.Count)
	for _, s := range d.siems {
		missing, repeated := d.o.Count-s.arrived(), s.repeated
		if missing > 0 || s.malformed > 0 || repeated > 0 {
			fmt.Fprintf(d.out, "%s: %d missing, %d repeated, %d malformed\n", s.name, missing, repeated, s.malformed)
		}
		failed = failed || missing != 0 || s.malformed > 0 || repeated > 0 && !d.o.Chaos
	}
	fmt.Fprintf(d.out, "pulled %d, delivered %d to qradar, %d to arcsight\n", pulled, d.siems[0].arrived(), d.siems[1].arrived())
	return !failed
}

func answers(served map[int]int) string {
	var parts []string
	for _, status := range []int{200, 400, 401, 429, 503} {
		if n := served[status]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d times %d", n, status))
		}
	}
	return strings.Join(parts, ", ")
}
