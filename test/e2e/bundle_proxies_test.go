package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/warifu/warifu/hack/cluster/machine"
	"github.com/warifu/warifu/hack/cluster/plan"
	"github.com/warifu/warifu/internal/naming"
)

// keepProxies copies what each proxy of a namespace was last told, from the volume in which it keeps that. There is no secret
// in it. The volume can be read on the nodes of the local cluster alone.
func keepProxies(ctx context.Context, namespace, folder string) error {
	pods, err := world.kubectl(ctx, "", "--namespace="+namespace, "get", "pods", `--output=jsonpath={range .items[*]}{.metadata.name}={.metadata.uid}{"\n"}{end}`)
	cluster, local := world.localCluster()
	if err != nil || !local {
		return err
	}
	for _, node := range cluster.Nodes(plan.MaxNodes) {
		process, err := machine.LoadProcess(cluster.Folder().Process(node.Name))
		if err != nil || !process.Alive() {
			continue
		}
		for pod := range strings.FieldsSeq(pods) {
			name, uid, _ := strings.Cut(pod, "=")
			files, err := filepath.Glob(fmt.Sprintf("/proc/%d/root/var/lib/kubelet/pods/%s/volumes/kubernetes.io~empty-dir/%s/*", process.PID, uid, naming.VolumeState))
			if err != nil {
				return err
			}
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(folder, name+"-proxy-"+filepath.Base(file)), text, 0o600); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
