// SPDX-License-Identifier: Apache-2.0

// Command reference is a controller over controller-runtime that does for NodePools what "nodeprep
// controller" does: informers, a work queue, finalizers, merge patches with a resourceVersion, status,
// Events, leader election. The benchmark measures the two beside each other; nothing else uses it.
package main

import (
	"context"
	"flag"
	"os"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

type options struct {
	kubeconfig, namespace string
	workers               int
}

func newManager(o options) (ctrl.Manager, error) {
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1 // no limit of the client's own, as nodeprep has none
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, coordinationv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	addToScheme(scheme)
	return ctrl.NewManager(config, ctrl.Options{
		Scheme:                        scheme,
		Cache:                         cache.Options{DefaultTransform: cache.TransformStripManagedFields()},
		Metrics:                       metricsserver.Options{BindAddress: "0"},
		LeaderElection:                true,
		LeaderElectionID:              "nodeprep-controller",
		LeaderElectionNamespace:       o.namespace,
		LeaderElectionReleaseOnCancel: true,
	})
}

func run(ctx context.Context, o options) error {
	mgr, err := newManager(o)
	if err != nil {
		return err
	}
	r := &reconciler{client: mgr.GetClient(), recorder: mgr.GetEventRecorderFor("nodeprep-controller")}
	if err := r.setUp(ctx, mgr, o.workers); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

func main() {
	var o options
	flag.StringVar(&o.kubeconfig, "config", "", "kubeconfig of the API server")
	flag.StringVar(&o.namespace, "lease-namespace", "", "namespace of the lease")
	flag.IntVar(&o.workers, "workers", 4, "classes at a time")
	flag.Parse()
	ctrl.SetLogger(klog.Background())
	if err := run(ctrl.SetupSignalHandler(), o); err != nil {
		klog.ErrorS(err, "reference controller")
		os.Exit(1)
	}
}
