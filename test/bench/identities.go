package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/controllers"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

// perNamespace is how many ServiceAccounts a namespace has, the default one among them.
const perNamespace = 100

// atOnce is how much is prepared at once, where nothing is measured.
const atOnce = 16

// bareNamespaces take the Secrets of the bare loop; no operator looks at them.
const bareNamespaces = 10

func namespaceName(i int) string     { return fmt.Sprintf("team-%d", i) }
func bareNamespaceName(i int) string { return fmt.Sprintf("bare-%d", i) }
func accountName(i int) string {
	if i == 0 {
		return "default"
	}
	return fmt.Sprintf("app-%d", i)
}

// idle starts the operator on an empty cluster, so that its CA exists and its memory is known, and stops it.
func (m *measuring) idle(ctx context.Context) error {
	o, err := m.launch(ctx)
	if err != nil {
		return err
	}
	err = m.until(ctx, "there is a CA", func(ctx context.Context) error {
		return m.admin.Get(ctx, client.ObjectKey{Namespace: naming.DefaultNamespace, Name: naming.SecretCA}, &corev1.Secret{})
	})
	if err != nil {
		return err
	}
	if m.idleHeap, err = o.stats(ctx, askMemory); err != nil {
		return err
	}
	return o.end()
}

// prepare makes the ServiceAccounts, and the namespaces of the bare loop.
func (m *measuring) prepare(ctx context.Context) error {
	for i := range bareNamespaces {
		if err := m.namespace(ctx, bareNamespaceName(i), nil); err != nil {
			return err
		}
	}
	return m.accounts(ctx, m.identities, namespaceName)
}

// accounts makes so many ServiceAccounts in as many namespaces as they need, opted in.
func (m *measuring) accounts(ctx context.Context, n int, namespaceName func(int) string) error {
	return parallel(ctx, n/perNamespace, atOnce, func(ctx context.Context, i int) error {
		if err := m.namespace(ctx, namespaceName(i), map[string]string{naming.LabelInjection: naming.InjectionEnabled}); err != nil {
			return err
		}
		for j := 1; j < perNamespace; j++ { // the default one is made by Kubernetes
			account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespaceName(i), Name: accountName(j)}}
			if err := m.admin.Create(ctx, account); err != nil {
				return err
			}
		}
		return m.hasDefaultAccount(ctx, namespaceName(i))
	})
}

func (m *measuring) hasDefaultAccount(ctx context.Context, namespace string) error {
	return eventually(ctx, func(ctx context.Context) error {
		return m.admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "default"}, &corev1.ServiceAccount{})
	})
}

// bare creates half as many Secrets as there are identities, the same but for their label, which keeps them out of the
// operator's cache. It goes by the operator's account, as many at once as the operator. There is one half before the
// operator's turn and one after it, so that neither side has the smaller database.
func (m *measuring) bare(ctx context.Context) error {
	c, err := client.New(m.access, client.Options{Scheme: m.Client.Scheme()})
	if err != nil {
		return err
	}
	data, err := material()
	if err != nil {
		return err
	}
	owners := make([]types.UID, bareNamespaces)
	for i := range owners {
		var owner corev1.ServiceAccount
		if err := m.hasDefaultAccount(ctx, bareNamespaceName(i)); err != nil {
			return err
		}
		if err := m.admin.Get(ctx, client.ObjectKey{Namespace: bareNamespaceName(i), Name: "default"}, &owner); err != nil {
			return err
		}
		owners[i] = owner.UID
	}
	before, n := m.bareDone, m.identities/2
	started := time.Now()
	err = parallel(ctx, n, controllers.DefaultWorkers, func(ctx context.Context, i int) error {
		at := i % bareNamespaces
		return c.Create(ctx, bareSecret(bareNamespaceName(at), fmt.Sprintf("app-%d", before+i), owners[at], data), client.FieldOwner(naming.FieldOwner))
	})
	m.bareTime += time.Since(started)
	m.bareDone += n
	return err
}

// material is the files of an identity.
func material() (map[string][]byte, error) {
	now := time.Now()
	ca, err := pki.NewCA(pki.CAOptions{CommonName: "cluster.local workload CA", Algorithm: pki.ECDSAP256, Lifetime: 24 * time.Hour}, now)
	if err != nil {
		return nil, err
	}
	key, err := pki.NewKey(pki.ECDSAP256)
	if err != nil {
		return nil, err
	}
	id, err := identity.New("cluster.local", namespaceName(0), accountName(1))
	if err != nil {
		return nil, err
	}
	leaf, err := ca.SignWorkload(pki.WorkloadRequest{ID: id, PublicKey: key.Public(), Lifetime: time.Hour}, now)
	if err != nil {
		return nil, err
	}
	keyPEM, err := pki.EncodeKey(key)
	return map[string][]byte{
		naming.FileCert: pki.EncodeCertificates(leaf), naming.FileKey: keyPEM, naming.FileCA: pki.EncodeCertificates(ca.Roots...),
	}, err
}

func bareSecret(namespace, account string, owner types.UID, data map[string][]byte) *corev1.Secret {
	controller := true
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: naming.IdentitySecret(account),
			Labels: map[string]string{
				naming.LabelManagedBy: "nobody", naming.LabelKind: naming.KindIdentity, naming.LabelServiceAccount: string(owner),
			},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "ServiceAccount", Name: "default", UID: owner, Controller: &controller}},
		},
		Type: corev1.SecretTypeTLS,
		Data: data,
	}
}

// issue has every identity issued from cold.
func (m *measuring) issue(ctx context.Context) (err error) {
	m.coldRate, m.coldWhole, err = m.issued(ctx, m.identities)
	return err
}

// issued starts the operator on a cluster in which so many identities are missing, and waits for the last. It returns how many
// a second there were between the first and the last, and from the start of the operator.
func (m *measuring) issued(ctx context.Context, n int) (rate, whole float64, err error) {
	o, err := m.launch(ctx)
	if err != nil {
		return 0, 0, err
	}
	var s stats
	err = m.until(ctx, "every identity is issued", func(ctx context.Context) (err error) {
		if s, err = o.stats(ctx); err == nil && s.Created < n {
			err = fmt.Errorf("%d are", s.Created)
		}
		return err
	})
	return float64(s.Created) / s.Last.Sub(s.First).Seconds(), float64(s.Created) / s.Last.Sub(o.started).Seconds(), err
}

// bareAgain is the other half, and the comparison.
func (m *measuring) bareAgain(ctx context.Context) error {
	if err := m.bare(ctx); err != nil {
		return err
	}
	rate := float64(m.bareDone) / m.bareTime.Seconds()
	m.add(line{
		what: fmt.Sprintf("%d identities from cold, against a bare loop that creates the Secrets", m.identities),
		is:   fmt.Sprintf("%.2f× (%.0f/s, bare %.0f/s; with the start of the operator %.2f×)", m.coldRate/rate, m.coldRate, rate, m.coldWhole/rate),
		goal: "≥ 0.7×", within: m.coldRate >= 0.7*rate,
	})
	return nil
}

// fill creates one pod for each identity.
func (m *measuring) fill(ctx context.Context) error {
	return parallel(ctx, m.identities, atOnce, func(ctx context.Context, i int) error {
		return m.admin.Create(ctx, pod(namespaceName(i/perNamespace), "pod-", accountName(i%perNamespace)))
	})
}

// restart starts the operator once more, and measures until it has looked at everything.
func (m *measuring) restart(ctx context.Context) error {
	if err := m.operator.end(); err != nil {
		return err
	}
	o, err := m.launch(ctx)
	if err != nil {
		return err
	}
	ready := time.Since(o.started)
	err = m.until(ctx, "every identity was looked at", func(ctx context.Context) error {
		s, err := o.stats(ctx, askLooked)
		if err == nil && s.Looked < m.identities {
			err = fmt.Errorf("%d were", s.Looked)
		}
		return err
	})
	if err != nil {
		return err
	}
	looked := time.Since(o.started)
	if err := wait(ctx, settle); err != nil {
		return err
	}
	s, err := o.stats(ctx, askMemory)
	if err != nil {
		return err
	}
	m.add(line{
		what: fmt.Sprintf("restart with %d valid identities: ready", m.identities),
		is:   fmt.Sprintf("%.1f s (all looked at after %.1f s)", ready.Seconds(), looked.Seconds()), goal: "≤ 10 s", within: ready <= 10*time.Second,
	}, line{
		what: "... Secrets written", is: fmt.Sprint(s.Created + s.Changed), goal: "0", within: s.Created+s.Changed == 0,
	})
	m.memory(s)
	return nil
}

// settle is how long the operator is left alone before its memory is looked at: at first the queues of a start are full.
const settle = 5 * time.Second

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// memory compares what the operator holds with what it held when there was nothing.
func (m *measuring) memory(s stats) {
	each := func(now, before uint64) float64 {
		return (float64(now) - float64(before)) / 1000 / float64(m.identities)
	}
	alive, spans := each(s.HeapAlloc, m.idleHeap.HeapAlloc), each(s.HeapInuse, m.idleHeap.HeapInuse)
	m.add(line{
		what: "heap alive after garbage collection, for each workload (pod, ServiceAccount, Secret), above idle",
		is:   fmt.Sprintf("%.1f KB (idle %.0f MB, now %.0f MB)", alive, float64(m.idleHeap.HeapAlloc)/1e6, float64(s.HeapAlloc)/1e6),
		goal: "≤ 10 KB", within: alive <= 10,
	}, line{
		what: "... heap spans in use, with the holes between what is alive",
		is:   fmt.Sprintf("%.1f KB (idle %.0f MB, now %.0f MB)", spans, float64(m.idleHeap.HeapInuse)/1e6, float64(s.HeapInuse)/1e6),
		goal: "≤ 10 KB", within: spans <= 10,
	})
}

// eventually waits for something that Kubernetes does within moments.
func eventually(ctx context.Context, so func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := so(ctx)
		if err == nil {
			return nil
		}
		if late := wait(ctx, 20*time.Millisecond); late != nil {
			return errors.Join(late, err)
		}
	}
}
