package chart_test

import (
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/warifu/warifu/internal/naming"
)

// other is the identity of a ServiceAccount that is not the pod's, whose own is default.
const other = "warifu-identity-web"

// plain is the spec of a pod that has nothing to do with Warifu.
const plain = `{containers: [{name: a, image: a}]}`

// Accounts whose Secrets have hashed names. The first two names differ too late to be told apart.
var (
	longAccount = strings.Repeat("a", 239) + "1"
	longTwin    = strings.Repeat("a", 239) + "2"
	longOther   = strings.Repeat("b", 240)
)

// proxied is the spec of a pod with Warifu's containers and what more is said.
func proxied(more string) string { return forged("ghcr.io/warifu/proxy:0.1.0", more) }

func forged(image, more string) string {
	return fmt.Sprintf(`{initContainers: [{name: warifu-redirect, image: %[1]q, args: [redirect, "--exclude-outbound-ports=5432"]},
  {name: warifu-proxy, image: %[1]q, args: [run], restartPolicy: Always, securityContext: {runAsUser: 1774, runAsGroup: 1774},
   volumeMounts: [{name: warifu-tls, mountPath: /tls}]}],
 containers: [{name: a, image: a%[2]s}], volumes: [{name: warifu-tls, secret: {secretName: warifu-identity-default}}]}`, image, more)
}

// with is the spec of a pod with a volume.
func with(volume string) string {
	return `{containers: [{name: a, image: a}], volumes: [{name: v, ` + volume + `}]}`
}

func account(name, volume string) string {
	return `{serviceAccountName: ` + name + `, ` + with(volume)[1:]
}

func secret(name string) string { return `secret: {secretName: ` + name + `}` }

// guardCases are all attempts, by name.
func guardCases() map[string]attempt {
	out := map[string]attempt{}
	for _, table := range []map[string]attempt{identityCases(), annotationCases(), userCases(), containerCases(), exemptCases()} {
		maps.Copy(out, table)
	}
	return out
}

// identityCases: by no path does a pod get at the identity of another ServiceAccount.
func identityCases() map[string]attempt {
	const volume, env = "spec.volumes[v]", "env of container "
	big := strings.Repeat(`{name: E, valueFrom: {secretKeyRef: {name: mine, key: k}}}, `, 10000)
	debug := func(change func(*corev1.EphemeralContainer)) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			e := corev1.EphemeralContainer{}
			e.Name, e.Image = "debug", "debug"
			change(&e)
			p.Spec.EphemeralContainers = append(p.Spec.EphemeralContainers, e)
		}
	}
	reference := corev1.LocalObjectReference{Name: other}
	return map[string]attempt{
		"nothing of ours":       {pod: plain},
		"another Secret":        {pod: `{imagePullSecrets: [{name: mine}], ` + with(secret("mine"))[1:]},
		"a pod of a megabyte":   {pod: `{containers: [{name: a, image: a, env: [` + big + `]}]}`},
		"its own":               {pod: account("web", secret(other))},
		"its own, old field":    {pod: `{serviceAccount: web, ` + with(secret(other))[1:]},
		"its own, by default":   {pod: with(secret("warifu-identity-default"))},
		"its own, a long name":  {pod: account(longAccount, secret(naming.IdentitySecret(longAccount)))},
		"a twin of a long name": {pod: account(longAccount, secret(naming.IdentitySecret(longTwin)))}, // docs/security.md
		"another long name":     {pod: account(longAccount, secret(naming.IdentitySecret(longOther))), refused: volume},
		"a long name's own cut": {pod: account(longAccount, secret(naming.IdentitySecret(longAccount)[:252])), refused: volume},
		"long, from a short":    {pod: account("web", secret(naming.IdentitySecret(longAccount))), refused: volume},
		"not checked yet":       {pod: account("web", secret(naming.IssuedSecret("web"))), refused: volume},

		"volume":                {pod: with(secret(other)), refused: volume},
		"volume, opted in":      {pod: with(secret(other)), in: naming.InjectionEnabled, refused: volume},
		"volume, pod opted out": {pod: with(secret(other)), in: naming.InjectionEnabled, inject: naming.InjectFalse, refused: volume},
		"volume, opted out":     {pod: with(secret(other)), in: naming.InjectionDisabled, refused: volume},
		"volume, unlabelled":    {pod: with(secret(other)), in: "plain", refused: volume},
		"volume, optional":      {pod: with(`secret: {secretName: ` + other + `, optional: true}`), refused: volume},
		"projection":            {pod: with(`projected: {sources: [{configMap: {name: c}}, {secret: {name: ` + other + `}}]}`), refused: volume},
		"CSI reference":         {pod: with(`csi: {driver: d.example, nodePublishSecretRef: {name: ` + other + `}}`), refused: volume},
		"CSI attribute":         {pod: with(`csi: {driver: d.example, volumeAttributes: {a: b, secretName: ` + other + `}}`), refused: volume},
		"CSI of another":        {pod: with(`csi: {driver: d.example, volumeAttributes: {a: b}, nodePublishSecretRef: {name: mine}}`)},
		"azureFile":             {pod: with(`azureFile: {shareName: s, secretName: ` + other + `}`), refused: volume},
		"cephfs":                {pod: with(`cephfs: {monitors: [m], secretRef: {name: ` + other + `}}`), refused: volume},
		"cinder":                {pod: with(`cinder: {volumeID: i, secretRef: {name: ` + other + `}}`), refused: volume},
		"flexVolume":            {pod: with(`flexVolume: {driver: d/e, secretRef: {name: ` + other + `}}`), refused: volume},
		"flexVolume option":     {pod: with(`flexVolume: {driver: d/e, options: {secret: ` + other + `}}`), refused: volume},
		"iscsi":                 {pod: with(`iscsi: {targetPortal: p, iqn: "iqn.2001-04.com.example:x", lun: 0, secretRef: {name: ` + other + `}}`), refused: volume},
		"rbd":                   {pod: with(`rbd: {monitors: [m], image: i, secretRef: {name: ` + other + `}}`), refused: volume},
		"scaleIO":               {pod: with(`scaleIO: {gateway: g, system: s, volumeName: v, secretRef: {name: ` + other + `}}`), refused: volume},
		"storageos":             {pod: with(`storageos: {volumeName: v, secretRef: {name: ` + other + `}}`), refused: volume},
		"imagePullSecrets":      {pod: `{imagePullSecrets: [{name: mine}, {name: ` + other + `}], containers: [{name: a, image: a}]}`, refused: "spec.imagePullSecrets[" + other + "]"},
		"env":                   {pod: `{containers: [{name: a, image: a, env: [{name: E, valueFrom: {secretKeyRef: {name: ` + other + `, key: k}}}]}]}`, refused: env + "a"},
		"env of an init":        {pod: `{containers: [{name: a, image: a}], initContainers: [{name: i, image: i, env: [{name: E, valueFrom: {secretKeyRef: {name: ` + other + `, key: k}}}]}]}`, refused: env + "i"},
		"envFrom":               {pod: `{containers: [{name: a, image: a, envFrom: [{configMapRef: {name: c}}, {secretRef: {name: ` + other + `}}]}]}`, refused: "envFrom of container a"},
		"envFrom of an init":    {pod: `{containers: [{name: a, image: a}], initContainers: [{name: i, image: i, envFrom: [{secretRef: {name: ` + other + `}}]}]}`, refused: "envFrom of container i"},
		"ephemeral container":   {of: "plain", subresource: "ephemeralcontainers", change: debug(func(*corev1.EphemeralContainer) {})},
		"ephemeral container's env": {of: "plain", subresource: "ephemeralcontainers", refused: env + "debug", change: debug(func(e *corev1.EphemeralContainer) {
			e.Env = []corev1.EnvVar{{Name: "E", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: reference, Key: "k"}}}}
		})},
		"ephemeral container's envFrom": {of: "plain", subresource: "ephemeralcontainers", refused: "envFrom of container debug", change: debug(func(e *corev1.EphemeralContainer) {
			e.EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: reference}}}
		})},

		"the CA":                     {pod: with(secret(naming.SecretCA)), refused: volume},
		"the CA by env":              {pod: `{containers: [{name: a, image: a, envFrom: [{secretRef: {name: ` + naming.SecretIntermediate + `}}]}]}`, refused: "envFrom of container a"},
		"the webhook's CA":           {pod: with(secret(naming.SecretWebhookCA)), refused: volume},
		"a Secret named like the CA": {pod: with(secret(naming.SecretCA)), in: "plain"},
	}
}

// annotationCases: what a pod said of itself when it was created stays said.
func annotationCases() map[string]attempt {
	const refused = "metadata.annotations[" + naming.Group
	annotate := func(key, value string) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Annotations[key] = value }
	}
	exclude := annotate(naming.AnnotationExcludeInboundPorts, "8080")
	mode := annotate(naming.AnnotationMTLSMode, "DISABLE")
	masters := rest.ImpersonationConfig{UserName: "root", Groups: []string{"system:masters"}}
	return map[string]attempt{
		"another annotation": {of: "plain", change: annotate("other", "2")},
		"a label":            {of: "plain", change: func(p *corev1.Pod) { p.Labels = map[string]string{naming.LabelInject: "false"} }},
		"annotation changed": {of: "plain", change: exclude, refused: refused},
		"annotation removed": {of: "plain", change: func(p *corev1.Pod) { delete(p.Annotations, naming.AnnotationExcludeInboundPorts) }, refused: refused},
		"annotation added":   {of: "plain", change: mode, refused: refused},
		"all removed":        {of: "plain", change: func(p *corev1.Pod) { p.Annotations = nil }, refused: refused},
		"of a proxied pod":   {of: "proxied", change: mode, refused: refused},
		"by the status":      {of: "plain", subresource: "status", change: mode, refused: refused},
		"by a binding":       {of: "plain", subresource: "binding", binding: map[string]string{naming.AnnotationMTLSMode: "DISABLE"}, refused: refused},
		"by an old binding":  {of: "plain", binding: map[string]string{naming.AnnotationExcludeInboundPorts: "8080"}, refused: refused},
		"a scheduler":        {of: "plain", subresource: "binding", binding: map[string]string{"scheduler.example/score": "1"}},
		"a pretender":        {of: "plain", change: mode, owner: naming.FieldOwner, refused: refused},
		"an administrator":   {of: "plain", change: mode, as: masters, refused: refused},
		"an administrator's operator": {
			of: "plain", change: mode, as: masters, owner: naming.FieldOwner,
		},
		"another's operator": {of: "plain", change: mode, as: rest.ImpersonationConfig{UserName: "system:serviceaccount:elsewhere:warifu-operator"}, refused: refused},
	}
}

// userCases: nobody but the proxy is the proxy's user, or has its files.
func userCases() map[string]attempt {
	const user, mounts = "1774", "volumeMounts of container "
	container := func(context string) string {
		return `{containers: [{name: a, image: a, securityContext: {` + context + `}}]}`
	}
	pod := func(context string) string { return `{securityContext: {` + context + `}, ` + proxied("")[1:] }
	debug := func(e corev1.EphemeralContainerCommon) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			e.Name, e.Image = "debug", "debug"
			p.Spec.EphemeralContainers = append(p.Spec.EphemeralContainers, corev1.EphemeralContainer{EphemeralContainerCommon: e})
		}
	}
	id := int64(naming.ProxyUID)
	return map[string]attempt{
		"another user":          {pod: proxied(`, securityContext: {runAsUser: 1775}`)},
		"user of a container":   {pod: proxied(`, securityContext: {runAsUser: 1774}`), refused: "runAsUser of container a"},
		"group of a container":  {pod: proxied(`, securityContext: {runAsGroup: 1774}`), refused: "runAsGroup of container a"},
		"user of an init":       {pod: strings.Replace(proxied(""), "initContainers: [", "initContainers: [{name: i, image: i, securityContext: {runAsUser: 1774}}, ", 1), refused: "runAsUser of container i"},
		"user of the pod":       {pod: pod(`runAsUser: 1774`), refused: "spec.securityContext.runAsUser"},
		"group of the pod":      {pod: pod(`runAsGroup: 1774`), refused: "spec.securityContext.runAsGroup"},
		"fsGroup":               {pod: pod(`fsGroup: 1774`), refused: "spec.securityContext.fsGroup"},
		"supplementary group":   {pod: pod(`supplementalGroups: [7, 1774]`), refused: "spec.securityContext.supplementalGroups"},
		"user of a debugger":    {of: "proxied", subresource: "ephemeralcontainers", change: debug(corev1.EphemeralContainerCommon{SecurityContext: &corev1.SecurityContext{RunAsUser: &id}}), refused: "runAsUser of container debug"},
		"group of a debugger":   {of: "proxied", subresource: "ephemeralcontainers", change: debug(corev1.EphemeralContainerCommon{SecurityContext: &corev1.SecurityContext{RunAsGroup: &id}}), refused: "runAsGroup of container debug"},
		"opted in, not proxied": {pod: container(`runAsUser: 1774`), in: naming.InjectionEnabled, refused: user},
		"pod opted out":         {pod: container(`runAsUser: 1774`), in: naming.InjectionEnabled, inject: naming.InjectFalse, refused: user},
		"namespace opted out":   {pod: container(`runAsUser: 1774`), in: naming.InjectionDisabled, refused: user},
		"pod opted in":          {pod: container(`runAsUser: 1774`), in: "plain", inject: naming.InjectTrue, refused: user},
		"not concerned":         {pod: container(`runAsUser: 1774`), in: "plain"},

		"the key in another":    {pod: proxied(`, volumeMounts: [{name: warifu-tls, mountPath: /k}]`), refused: mounts + "a"},
		"the key in a debugger": {of: "proxied", subresource: "ephemeralcontainers", change: debug(corev1.EphemeralContainerCommon{VolumeMounts: []corev1.VolumeMount{{Name: naming.VolumeTLS, MountPath: "/k"}}}), refused: mounts + "debug"},
		"without a proxy":       {pod: `{containers: [{name: a, image: a, volumeMounts: [{name: warifu-tls, mountPath: /k}]}], volumes: [{name: warifu-tls, secret: {secretName: warifu-identity-default}}]}`},
	}
}

// containerCases: nothing but the proxy passes for it.
func containerCases() map[string]attempt {
	const name, image, made = "names of Warifu's own containers", "is not of ghcr.io/warifu/proxy", "added by its webhook"
	replaced := func(from, to string) string { return strings.Replace(proxied(""), from, to, 1) }
	setImage := func(i int, image string) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Spec.InitContainers[i].Image = image }
	}
	return map[string]attempt{
		"the proxy itself":                 {pod: proxied("")},
		"the proxy of another version":     {pod: forged("ghcr.io/warifu/proxy@sha256:"+strings.Repeat("0", 64), "")},
		"the proxy's name for a container": {pod: `{containers: [{name: warifu-proxy, image: ghcr.io/warifu/proxy:0.1.0}]}`, refused: name},
		"the redirect's name":              {pod: `{containers: [{name: warifu-redirect, image: a}]}`, in: naming.InjectionDisabled, refused: name},
		"the proxy's name for a debugger": {of: "plain", subresource: "ephemeralcontainers", refused: name, change: func(p *corev1.Pod) {
			p.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: naming.ContainerProxy, Image: "a"}}}
		}},
		"another image":               {pod: forged("evil.example/proxy:0.1.0", ""), refused: image},
		"a longer repository":         {pod: forged("ghcr.io/warifu/proxy-evil:0.1.0", ""), in: "plain", refused: image},
		"another command":             {pod: replaced("args: [run]", "command: [sh], args: [run]"), refused: made},
		"other arguments":             {pod: replaced("args: [run]", "args: [redirect]"), refused: made},
		"a redirect that is none":     {pod: replaced("args: [redirect, ", "args: [version, "), refused: made},
		"no redirect":                 {pod: replaced("name: warifu-redirect", "name: other"), refused: made},
		"a proxy that ends":           {pod: replaced(", restartPolicy: Always", ""), refused: made},
		"a proxy of another user":     {pod: replaced("runAsUser: 1774", "runAsUser: 1"), refused: made},
		"the proxy's image replaced":  {of: "proxied", change: setImage(1, "evil.example/proxy:0.1.0"), refused: image},
		"the redirect's image":        {of: "proxied", change: setImage(0, "evil.example/proxy:0.1.0"), refused: image},
		"the proxy's image, upgraded": {of: "proxied", change: setImage(1, "ghcr.io/warifu/proxy:0.2.0")},
		"the application's image":     {of: "proxied", change: func(p *corev1.Pod) { p.Spec.Containers[0].Image = "b" }},
	}
}

// exemptCases: whom guards.exempt names is not held to them, and nobody else.
func exemptCases() map[string]attempt {
	as := func(name string, groups ...string) rest.ImpersonationConfig {
		return rest.ImpersonationConfig{UserName: name, Groups: groups}
	}
	annotated := func(p *corev1.Pod) { p.Annotations[naming.AnnotationMTLSMode] = "DISABLE" }
	return map[string]attempt{
		"exempt user":            {pod: with(secret(other)), as: as("backup")},
		"exempt group":           {pod: with(secret(other)), as: as("somebody", "restorers")},
		"exempt account":         {pod: with(secret(other)), as: as("system:serviceaccount:velero:velero")},
		"exempt, annotations":    {of: "plain", change: annotated, as: as("backup")},
		"exempt, the user":       {pod: proxied(`, securityContext: {runAsUser: 1774}`), as: as("backup")},
		"exempt, the containers": {pod: forged("mirror.example/proxy:1", ""), as: as("backup")},
		"another account":        {pod: with(secret(other)), as: as("system:serviceaccount:shop:velero"), refused: "spec.volumes[v]"},
		"an account by name":     {pod: with(secret(other)), as: as("velero"), refused: "spec.volumes[v]"},
	}
}
