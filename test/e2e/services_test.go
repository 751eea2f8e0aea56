package e2e

import "testing"

// TestEveryNameOfAServiceIsTheSameToPolicy: by whatever name or address a workload is dialled, the caller is proved and who
// cannot prove itself is reset.
func TestEveryNameOfAServiceIsTheSameToPolicy(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "e2e-services", optedIn)
	p.applyFile("services.yaml")
	p.wait("condition=Ready", "pod/client", "pod/plain", "pod/web")
	p.apply(`apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: manual-1
  labels: {kubernetes.io/service-name: manual}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: ["` + p.podIP("web") + `"]}]
`)
	clusterIP := p.kubectl("get", "service", "web", "--output=jsonpath={.spec.clusterIP}")
	for name, url := range map[string]string{
		"short name":       "http://web/",
		"with namespace":   "http://web." + p.name + "/",
		"full name":        "http://web." + p.name + ".svc.cluster.local/",
		"cluster IP":       "http://" + clusterIP + "/",
		"pod IP":           p.podURL("web"),
		"ExternalName":     "http://alias/",
		"without selector": "http://manual/",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p.in(t).reached(url, "URI="+p.identity("client"))
		})
	}
}
