package netns

import (
	"os"
	"testing"

	"github.com/warifu/warifu/internal/testkit/cluster"
)

// envApplication makes the test's program the application of a pod.
const envApplication = "WARIFU_NETNS_APPLICATION"

func TestMain(m *testing.M) {
	if os.Getenv(envApplication) != "" {
		runApplication()
		return
	}
	cluster.Main(m)
}
