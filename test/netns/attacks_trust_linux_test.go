package netns

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
	"github.com/warifu/warifu/internal/testkit/ca"
	"github.com/warifu/warifu/internal/testkit/kubelet"
)

// trustFiles: files that go bad under a proxy change nothing but its log, and files of another trust end what the old one let in.
func (a *arena) trustFiles(t *testing.T) {
	dir, good := a.identityFiles(t)
	stranger := ca.New(t)
	open := a.call(t, a.orders, witnessMembers)
	unchanged := func(what string) {
		t.Helper()
		if err := echo(open, "still"); err != nil {
			t.Errorf("%s: an open connection: %v", what, err)
		}
		if got := a.sayHTTP1(t, a.orders, forged{path: "/members"}); got != "200" {
			t.Errorf("%s: a new connection: %q", what, got)
		}
		if a.present(t, witnessStrict, shows(stranger.Sign(t, ca.Template(a.id("orders"))), naming.ALPN), nil) == nil {
			t.Errorf("%s: a certificate of another CA is taken", what)
		}
		if a.present(t, witnessStrict, shows(nil, naming.ALPN), nil) == nil {
			t.Errorf("%s: nobody's certificate is taken", what)
		}
	}
	for name, spoil := range map[string]func(files map[string][]byte){
		"an empty ca.crt": func(files map[string][]byte) { files[naming.FileCA] = nil },
		"no ca.crt":       func(files map[string][]byte) { delete(files, naming.FileCA) },
		"a garbled ca.crt": func(files map[string][]byte) {
			files[naming.FileCA] = files[naming.FileCA][:len(files[naming.FileCA])/2]
		},
		"a ca.crt with a key": func(files map[string][]byte) {
			files[naming.FileCA] = append(slices.Clone(files[naming.FileCA]), files[naming.FileKey]...)
		},
		"a leaf for a CA":        func(files map[string][]byte) { files[naming.FileCA] = files[naming.FileCert] },
		"a key of somebody else": func(files map[string][]byte) { files[naming.FileKey] = keyPEM(t) },
		"no files at all":        func(files map[string][]byte) { clear(files) },
	} {
		const kept, over = "The identity cannot be renewed, and stays as it was", "what was wrong is over"
		files := maps.Clone(good)
		spoil(files)
		a.write(t, dir, files, kept)
		unchanged(name)
		a.write(t, dir, good, over)
	}
	// Another CA is another trust: who was let in by the old one has to go.
	files := maps.Clone(good)
	files[naming.FileCA] = pki.EncodeCertificates(stranger.Roots...)
	a.write(t, dir, files, `"TrustChanged"`)
	if err := echo(open, "gone"); err == nil {
		t.Error("a connection outlives the trust that let it in")
	}
	if err := a.present(t, witnessStrict, shows(a.genuine(t, a.id("orders")), naming.ALPN), nil); err == nil {
		t.Error("a certificate of a CA that is not trusted any more is taken")
	}
	if err := kubelet.Write(dir, good); err != nil {
		t.Fatal(err)
	}
	if got := a.sayHTTP1(t, a.orders, forged{path: "/members"}); got != "200" {
		t.Errorf("with the files back: %q", got)
	}
	a.witness.take()
}

// identityFiles are the files of the server's identity, and where its proxy reads them.
func (a *arena) identityFiles(t *testing.T) (string, map[string][]byte) {
	t.Helper()
	pod := a.server.Object()
	at := slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == naming.VolumeTLS })
	files, err := kubelet.Files(t.Context(), a.Client, pod, &pod.Spec.Volumes[at])
	if err != nil {
		t.Fatal(err)
	}
	return a.server.VolumeDir(naming.VolumeTLS), files
}

// write replaces the files and waits until the server's proxy says something of it that it has not said before.
func (a *arena) write(t *testing.T, dir string, files map[string][]byte, said string) {
	t.Helper()
	proxy := a.server.Proxy()
	count := func() int { return strings.Count(proxy.Stderr(), said) + strings.Count(proxy.Stdout(), said) }
	before := count()
	if err := kubelet.Write(dir, files); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the proxy says: "+said, func() error {
		if count() == before {
			return fmt.Errorf("not yet")
		}
		return nil
	})
}

func keyPEM(t *testing.T) []byte {
	t.Helper()
	key, err := pki.NewKey(pki.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := pki.EncodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}
