// Package azure stands for KEDA's: no request gets a token.
package azure

import (
	"net/http"

	"github.com/go-logr/logr"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
)

// Names of parameters that an authentication for Azure is written under.
const (
	ServicePrincipalAuthKey                      = "azureServicePrincipal"
	ServicePrincipalTenantIDKey                  = "azureServicePrincipalTenantId"
	ServicePrincipalClientIDKey                  = "azureServicePrincipalClientId"
	ServicePrincipalCloudKey                     = "azureServicePrincipalCloud"
	ServicePrincipalActiveDirectoryEndpointKey   = "azureServicePrincipalActiveDirectoryEndpoint"
	ServicePrincipalClientSecretKey              = "azureServicePrincipalClientSecret"
	ServicePrincipalClientCertificateKey         = "azureServicePrincipalClientCertificate"
	ServicePrincipalClientCertificatePasswordKey = "azureServicePrincipalClientCertificatePassword"
)

// TryAndGetAzureManagedPrometheusHTTPRoundTripper returns none, as KEDA's does where no identity is given.
func TryAndGetAzureManagedPrometheusHTTPRoundTripper(logr.Logger, kedav1alpha1.AuthPodIdentity, map[string]string) (http.RoundTripper, error) {
	return nil, nil
}
