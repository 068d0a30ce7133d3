package eventemitter

import (
	"context"
	"errors"

	"github.com/go-logr/logr"

	eventingv1alpha1 "github.com/kedacore/keda/v2/apis/eventing/v1alpha1"
	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
)

var errNoSink = errors.New("this build of KEDA sends events to Kubernetes only")

// NewCloudEventHTTPHandler fails.
func NewCloudEventHTTPHandler(context.Context, string, string, logr.Logger) (EventDataHandler, error) {
	return nil, errNoSink
}

// NewAzureEventGridTopicHandler fails.
func NewAzureEventGridTopicHandler(context.Context, string, *eventingv1alpha1.AzureEventGridTopicSpec, map[string]string, kedav1alpha1.AuthPodIdentity, logr.Logger) (EventDataHandler, error) {
	return nil, errNoSink
}
