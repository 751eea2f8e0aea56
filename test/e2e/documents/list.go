package documents

// exemption is a command, or a policy, that the tests leave alone.
type exemption struct {
	page string
	// begins is the beginning of it; an empty one is all of the page.
	begins string
	// because is why.
	because string
}

var exempt = []exemption{
	{"README.md", "make demo", "a run of its own, which needs the cluster for itself"},
	{"README.md", "make test", "these are the other tests"},
	{"docs/images.md", "make images", "takes minutes; TestTheSameSourceMakesTheSameImage builds them, for both architectures"},
	{"docs/images.md", "docker build", "takes Docker; TestDockerfileMakesTheSameImages reads the Dockerfile"},
	{"docs/images.md", "crane push", "takes a registry"},
	{"docs/images.md", "skopeo copy", "takes a registry"},
	{"docs/local-cluster.md", "make cluster-up NODES=3", "would change the cluster that all tests are on"},
	{"docs/local-cluster.md", "make cluster-up cluster-load helm", "make e2e begins with it"},
	{"docs/operations.md", "warifu-operator purge", "would take the identities of all tests; TestHelm purges"},
	{"docs/traffic.md", "", "TestPage types all of it, in pods that have curl and openssl, and writes the page"},
}

// rehearsal is a command that is typed with a flag which has everything checked and nothing done.
type rehearsal struct{ begins, as, because string }

var rehearsed = []rehearsal{
	{"helm install ", "helm install --dry-run=server ", "all tests use one release, which is there"},
	{"helm upgrade ", "helm upgrade --dry-run=server ", "the same; TestHelm upgrades, and the tests of operations on a cluster do"},
	{"helm uninstall ", "helm uninstall --dry-run ", "the same"},
	{"kubectl delete ", "kubectl delete --dry-run=server ", "pages delete what belongs to the release"},
	{"kubectl apply -f config/samples ", "kubectl apply --dry-run=server -f config/samples ", "the TrustDomain among them is everybody's; TestSamplesWork applies the rest"},
}
