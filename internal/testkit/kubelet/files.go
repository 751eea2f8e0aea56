package kubelet

import (
	"context"
	"errors"
	"fmt"
	"maps"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Files are what a volume of a pod holds now, by path in the volume: of Secrets, ConfigMaps, pod fields and tokens, projected
// or not. A token is a new one each time. It is an error when something is missing that the volume does not call optional, as
// kubelet would wait for it, and when the volume is of a kind that this kubelet does not know.
func Files(ctx context.Context, c client.Client, pod *corev1.Pod, volume *corev1.Volume) (map[string][]byte, error) {
	s := &source{c, pod}
	files, err := s.volume(ctx, volume)
	if err != nil {
		return nil, fmt.Errorf("volume %s: %w", volume.Name, err)
	}
	return files, nil
}

// source answers for one pod.
type source struct {
	client client.Client
	pod    *corev1.Pod
}

func (s *source) volume(ctx context.Context, volume *corev1.Volume) (map[string][]byte, error) {
	switch {
	case volume.Secret != nil:
		return s.secret(ctx, volume.Secret.SecretName, volume.Secret.Items, volume.Secret.Optional)
	case volume.ConfigMap != nil:
		return s.configMap(ctx, volume.ConfigMap.Name, volume.ConfigMap.Items, volume.ConfigMap.Optional)
	case volume.DownwardAPI != nil:
		return s.fields(volume.DownwardAPI.Items)
	case volume.Projected != nil:
		files := map[string][]byte{}
		for _, projection := range volume.Projected.Sources {
			more, err := s.projection(ctx, projection)
			if err != nil {
				return nil, err
			}
			maps.Copy(files, more)
		}
		return files, nil
	}
	return nil, errors.New("its kind is not known here")
}

func (s *source) projection(ctx context.Context, p corev1.VolumeProjection) (map[string][]byte, error) {
	switch {
	case p.Secret != nil:
		return s.secret(ctx, p.Secret.Name, p.Secret.Items, p.Secret.Optional)
	case p.ConfigMap != nil:
		return s.configMap(ctx, p.ConfigMap.Name, p.ConfigMap.Items, p.ConfigMap.Optional)
	case p.DownwardAPI != nil:
		return s.fields(p.DownwardAPI.Items)
	case p.ServiceAccountToken != nil:
		token, err := s.token(ctx, p.ServiceAccountToken)
		return map[string][]byte{p.ServiceAccountToken.Path: []byte(token)}, err
	}
	return nil, errors.New("the kind of a projection is not known here")
}

func (s *source) secret(ctx context.Context, name string, items []corev1.KeyToPath, optional *bool) (map[string][]byte, error) {
	secret := &corev1.Secret{}
	if err := s.get(ctx, name, secret, optional); err != nil {
		return nil, err
	}
	return pick(secret.Data, items, optional)
}

func (s *source) configMap(ctx context.Context, name string, items []corev1.KeyToPath, optional *bool) (map[string][]byte, error) {
	configMap := &corev1.ConfigMap{}
	if err := s.get(ctx, name, configMap, optional); err != nil {
		return nil, err
	}
	data := map[string][]byte{}
	for key, value := range configMap.Data {
		data[key] = []byte(value)
	}
	maps.Copy(data, configMap.BinaryData)
	return pick(data, items, optional)
}

// get leaves the object empty where it may be missing.
func (s *source) get(ctx context.Context, name string, object client.Object, optional *bool) error {
	err := s.client.Get(ctx, client.ObjectKey{Namespace: s.pod.Namespace, Name: name}, object)
	if optional != nil && *optional {
		return client.IgnoreNotFound(err)
	}
	return err
}

// pick chooses keys and names their files; without items that is every key by its name.
func pick(data map[string][]byte, items []corev1.KeyToPath, optional *bool) (map[string][]byte, error) {
	if items == nil {
		return data, nil
	}
	files := map[string][]byte{}
	for _, item := range items {
		value, ok := data[item.Key]
		switch {
		case ok:
			files[item.Path] = value
		case optional == nil || !*optional:
			return nil, fmt.Errorf("it has no key %q", item.Key)
		}
	}
	return files, nil
}

func (s *source) fields(items []corev1.DownwardAPIVolumeFile) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, item := range items {
		if item.FieldRef == nil {
			return nil, fmt.Errorf("file %s: only fields of the pod are known here", item.Path)
		}
		value, err := field(s.pod, item.FieldRef.FieldPath)
		if err != nil {
			return nil, fmt.Errorf("file %s: %w", item.Path, err)
		}
		files[item.Path] = []byte(value)
	}
	return files, nil
}

// token asks for a token that is worth something as long as the pod exists.
func (s *source) token(ctx context.Context, p *corev1.ServiceAccountTokenProjection) (string, error) {
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: p.ExpirationSeconds,
		BoundObjectRef: &authenticationv1.BoundObjectReference{
			APIVersion: "v1", Kind: "Pod", Name: s.pod.Name, UID: s.pod.UID,
		},
	}}
	if p.Audience != "" {
		request.Spec.Audiences = []string{p.Audience}
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.pod.Namespace, Name: s.pod.Spec.ServiceAccountName}}
	if err := s.client.SubResource("token").Create(ctx, account, request); err != nil {
		return "", fmt.Errorf("requesting a token: %w", err)
	}
	return request.Status.Token, nil
}
