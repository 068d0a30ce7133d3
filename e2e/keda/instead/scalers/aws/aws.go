// Package aws stands for KEDA's: no request is signed.
package aws

import (
	"net/http"

	"github.com/kedacore/keda/v2/pkg/scalers/scalersconfig"
)

// NewSigV4RoundTripper returns none, as KEDA's does where no region is given.
func NewSigV4RoundTripper(*scalersconfig.ScalerConfig, string) (http.RoundTripper, error) {
	return nil, nil
}
