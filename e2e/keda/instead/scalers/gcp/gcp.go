// Package gcp stands for KEDA's: no request gets a token.
package gcp

import (
	"errors"
	"net/http"

	"github.com/kedacore/keda/v2/pkg/scalers/scalersconfig"
)

// GcpScopeMonitoringRead is not asked for.
const GcpScopeMonitoringRead = ""

// ErrGoogleApplicationCrendentialsNotFound is what everybody gets.
var ErrGoogleApplicationCrendentialsNotFound = errors.New("no credentials of Google here")

// GetGCPOAuth2HTTPTransport fails, as KEDA's does where no identity is given.
func GetGCPOAuth2HTTPTransport(*scalersconfig.ScalerConfig, http.RoundTripper, ...string) (http.RoundTripper, error) {
	return nil, ErrGoogleApplicationCrendentialsNotFound
}
