package explain

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// lacking says what a pod's proxy lacks of the trust material that SIMPLE or MUTUAL names; empty when nothing is known to be
// missing. It has no roots of a system, and no files but those of the volumes that the pod shows it.
func (v *View) lacking(pod types.NamespacedName, tls proxyconfig.ClientTLS) string {
	if tls.Mode != proxyconfig.ClientSimple && tls.Mode != proxyconfig.ClientMutual {
		return ""
	}
	if tls.CACertificates == "" && tls.CredentialName == "" && !tls.InsecureSkipVerify {
		return "it has no CA to verify the server by, and never takes the system's: write caCertificates"
	}
	for _, file := range []string{tls.ClientCertificate, tls.PrivateKey, tls.CACertificates, tls.CACRL} {
		if file == "" {
			continue
		}
		rest, below := strings.CutPrefix(file, naming.VolumesDir+"/")
		if !below {
			return fmt.Sprintf("it reads no file outside %s, and the rule names %s", naming.VolumesDir, file)
		}
		if volume, _, _ := strings.Cut(rest, "/"); !slices.Contains(v.Volumes[pod], volume) {
			return fmt.Sprintf("the pod does not list volume %q in its annotation %s, and the rule names %s", volume, naming.AnnotationProxyVolumes, file)
		}
	}
	return ""
}
