package resolver

import (
	"context"
	"errors"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	corev1listers "k8s.io/client-go/listers/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"github.com/kedacore/keda/v2/pkg/scalers/authentication"
)

// DefaultVaultKubernetesAuthTokenFile is read by nobody.
const DefaultVaultKubernetesAuthTokenFile = ""

var errNoStore = errors.New("this build of KEDA reads secrets from no store but Kubernetes")

func vaultAddressesEqual(a, b string) bool { return a == b }

type vault struct{}

// NewHashicorpVaultHandler returns one that fails.
func NewHashicorpVaultHandler(*kedav1alpha1.HashiCorpVault, *authentication.AuthClientSet, string) vault {
	return vault{}
}
func (vault) Initialize(logr.Logger) error { return errNoStore }
func (vault) Stop()                        {}
func (vault) ResolveSecrets([]kedav1alpha1.VaultSecret) ([]kedav1alpha1.VaultSecret, error) {
	return nil, errNoStore
}

type keyVault struct{}

// NewAzureKeyVaultHandler returns one that fails.
func NewAzureKeyVaultHandler(*kedav1alpha1.AzureKeyVault) keyVault { return keyVault{} }
func (keyVault) Initialize(context.Context, client.Client, logr.Logger, string, corev1listers.SecretLister) error {
	return errNoStore
}
func (keyVault) Read(context.Context, string, string) (string, error) { return "", errNoStore }

// NewGCPSecretManagerHandler returns one that fails.
func NewGCPSecretManagerHandler(*kedav1alpha1.GCPSecretManager) keyVault { return keyVault{} }

type secretManager struct{}

// NewAwsSecretManagerHandler returns one that fails.
func NewAwsSecretManagerHandler(*kedav1alpha1.AwsSecretManager) secretManager { return secretManager{} }
func (secretManager) Initialize(context.Context, client.Client, logr.Logger, string, corev1listers.SecretLister, *corev1.PodSpec) error {
	return errNoStore
}
func (secretManager) Stop() {}
func (secretManager) Read(context.Context, logr.Logger, string, string, string, string) (string, error) {
	return "", errNoStore
}
