package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/warifu/warifu/internal/naming"
)

// leaseTimeout bounds one request about the lease. It is half of the time in which a leader must renew (10 s), so that one
// request that hangs does not cost the lead.
const leaseTimeout = 5 * time.Second

// errLeaseLost is the end of a process that led and does not any more.
var errLeaseLost = errors.New("another replica holds the lease that this one held")

// lease is the lock of leader election. A leader that stood still for longer than its lease lived, as a paused machine does,
// finds another holder when it wakes up. Leader election alone goes on trying for ten seconds then, while controllers write
// as if nothing had been; lease calls lost when it sees the other holder.
type lease struct {
	*resourcelock.LeaseLock
	held atomic.Bool
	lost context.CancelCauseFunc
}

// newLease is a lock in the operator's namespace, held under a name of its own.
func newLease(client *rest.Config, namespace string, lost context.CancelCauseFunc) (*lease, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	client = rest.AddUserAgent(client, "leader-election")
	client.Timeout = leaseTimeout
	leases, err := coordinationv1.NewForConfig(client)
	if err != nil {
		return nil, err
	}
	return &lease{lost: lost, LeaseLock: &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: namespace, Name: naming.LeaseOperator},
		Client:     leases,
		LockConfig: resourcelock.ResourceLockConfig{Identity: fmt.Sprintf("%s_%s", host, uuid.NewUUID())},
	}}, nil
}

// announce has events tell who leads.
func (l *lease) announce(mgr ctrl.Manager) {
	l.LockConfig.EventRecorder = mgr.GetEventRecorderFor(eventSource) //nolint:staticcheck // the lock takes no other
}

// Get implements resourcelock.Interface.
func (l *lease) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.LeaseLock.Get(ctx)
	if err == nil && l.held.Load() && record.HolderIdentity != l.Identity() {
		l.lost(errLeaseLost)
	}
	return record, raw, err
}

// Create implements resourcelock.Interface.
func (l *lease) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.note(record, l.LeaseLock.Create(ctx, record))
}

// Update implements resourcelock.Interface.
func (l *lease) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.note(record, l.LeaseLock.Update(ctx, record))
}

func (l *lease) note(record resourcelock.LeaderElectionRecord, err error) error {
	if err == nil {
		l.held.Store(record.HolderIdentity == l.Identity()) // it is nobody's after a release
	}
	return err
}

// lead runs the manager. Where the lease is lost it does not wait for it: whatever the manager is still doing, somebody else
// does by now, and the process ends with it.
func lead(ctx context.Context, mgr ctrl.Manager) error {
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	if err := context.Cause(ctx); errors.Is(err, errLeaseLost) {
		return err
	}
	return <-ended
}
