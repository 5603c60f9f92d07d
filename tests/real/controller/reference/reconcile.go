// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"
)

const (
	finalizer  = "nodeprep.dev/class"
	classIndex = "spec.vmClass"
)

// reconciler brings one class in sync with all of its pools.
type reconciler struct {
	client   client.Client
	recorder record.EventRecorder
}

func (r *reconciler) setUp(ctx context.Context, mgr ctrl.Manager, workers int) error {
	err := mgr.GetFieldIndexer().IndexField(ctx, &NodePool{}, classIndex, func(o client.Object) []string {
		return []string{o.(*NodePool).Spec.VMClass}
	})
	if err != nil {
		return err
	}
	toClass := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []ctrl.Request {
		pool := o.(*NodePool)
		return []ctrl.Request{{NamespacedName: types.NamespacedName{Namespace: pool.Namespace, Name: pool.Spec.VMClass}}}
	})
	return ctrl.NewControllerManagedBy(mgr).Named("class").For(&VirtualMachineClass{}).Watches(&NodePool{}, toClass).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).Complete(r)
}

func (r *reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	live, leaving, err := r.pools(ctx, req)
	if err != nil || len(live)+len(leaving) == 0 {
		return ctrl.Result{}, err
	}
	for _, pool := range live {
		if err := r.addFinalizer(ctx, pool); err != nil {
			return ctrl.Result{}, err
		}
	}
	var class VirtualMachineClass
	err = r.client.Get(ctx, req.NamespacedName, &class)
	found := !apierrors.IsNotFound(err)
	if found && err != nil {
		return ctrl.Result{}, err
	}
	var done outcome
	if found {
		if done, err = r.sync(ctx, &class, live); err != nil {
			return ctrl.Result{}, err
		}
	}
	for _, pool := range live {
		if err := r.setStatus(ctx, pool, &class, found, done); err != nil {
			return ctrl.Result{}, err
		}
	}
	for _, pool := range leaving {
		if err := r.removeFinalizer(ctx, pool); err != nil {
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{}, nil
}

// pools returns the pools of the class, and those that are being deleted.
func (r *reconciler) pools(ctx context.Context, req ctrl.Request) (live, leaving []*NodePool, err error) {
	var list NodePoolList
	err = r.client.List(ctx, &list, client.InNamespace(req.Namespace), client.MatchingFields{classIndex: req.Name})
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp.IsZero() {
			live = append(live, &list.Items[i])
		} else {
			leaving = append(leaving, &list.Items[i])
		}
	}
	return live, leaving, err
}

func lockedMerge(base client.Object) client.Patch {
	return client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{})
}

func (r *reconciler) addFinalizer(ctx context.Context, pool *NodePool) error {
	base := pool.DeepCopy()
	if !controllerutil.AddFinalizer(pool, finalizer) {
		return nil
	}
	return r.client.Patch(ctx, pool, lockedMerge(base))
}

func (r *reconciler) removeFinalizer(ctx context.Context, pool *NodePool) error {
	base := pool.DeepCopy()
	if !controllerutil.RemoveFinalizer(pool, finalizer) {
		return nil
	}
	return client.IgnoreNotFound(r.client.Patch(ctx, pool, lockedMerge(base)))
}

// outcome is what became of a class.
type outcome struct {
	patched, drifted bool
}

// sync patches the class, unless it is as it should be. Without pools the record goes, and its fields stay: only
// the benchmark uses this controller.
func (r *reconciler) sync(ctx context.Context, class *VirtualMachineClass, pools []*NodePool) (outcome, error) {
	base := class.DeepCopy()
	if len(pools) == 0 {
		delete(class.Annotations, annotation)
	} else if err := setDesired(class, pools); err != nil {
		return outcome{}, err
	}
	if equality.Semantic.DeepEqual(base, class) {
		return outcome{}, nil
	}
	// All pools were recorded, and yet the class differs: another client has changed it.
	drifted := base.Annotations[annotation] == class.Annotations[annotation]
	return outcome{true, drifted}, r.client.Patch(ctx, class, lockedMerge(base))
}

func (r *reconciler) setStatus(ctx context.Context, pool *NodePool, class *VirtualMachineClass, found bool, done outcome) error {
	base := pool.DeepCopy()
	s := &pool.Status
	s.ObservedGeneration = pool.Generation
	s.VMClass = pool.Spec.VMClass
	if found {
		devices := class.Spec.Hardware.Devices.DynamicDirectPathIO
		n := int64(len(devices))
		required, window := neededGB(devices)
		s.GPUsPerNode, s.RequiredMMIOGB, s.MMIOGB = &n, &required, &window
	}
	set := func(name string, is bool, reason, message string) {
		status := metav1.ConditionFalse
		if is {
			status = metav1.ConditionTrue
		}
		meta.SetStatusCondition(&s.Conditions, metav1.Condition{Type: name, Status: status, Reason: reason,
			Message: message, ObservedGeneration: pool.Generation})
	}
	if !found {
		set("Ready", false, "NotFound", fmt.Sprintf("no VirtualMachineClass '%s' in namespace '%s'", pool.Spec.VMClass, pool.Namespace))
		set("ClassFound", false, "NotFound", "the namespace has no VirtualMachineClass of that name")
	} else {
		set("Ready", true, "Configured", "the class has what the pool needs")
		set("ClassFound", true, "Found", "the class exists")
		if done.patched || meta.FindStatusCondition(s.Conditions, "ClassPatched") == nil {
			set("ClassPatched", true, "Patched", fmt.Sprintf("set a window of %d GB, EFI, and a full memory reservation", *s.MMIOGB))
		}
		if done.drifted {
			set("Drifted", false, "DriftCorrected", "another client changed the class; restored at "+time.Now().UTC().Format(time.RFC3339))
		} else if meta.FindStatusCondition(s.Conditions, "Drifted") == nil {
			set("Drifted", false, "InSync", "the class has what the pools need")
		}
	}
	if equality.Semantic.DeepEqual(base.Status, pool.Status) {
		return nil
	}
	if err := r.client.Status().Patch(ctx, pool, client.MergeFrom(base)); err != nil {
		return err
	}
	ready := meta.FindStatusCondition(s.Conditions, "Ready")
	was := meta.FindStatusCondition(base.Status.Conditions, "Ready")
	if done.drifted {
		r.recorder.Event(pool, corev1.EventTypeNormal, "DriftCorrected", meta.FindStatusCondition(s.Conditions, "Drifted").Message)
	}
	if was == nil || was.Status != ready.Status {
		kind := corev1.EventTypeNormal
		if !found {
			kind = corev1.EventTypeWarning
		}
		r.recorder.Event(pool, kind, ready.Reason, ready.Message)
	}
	return nil
}
