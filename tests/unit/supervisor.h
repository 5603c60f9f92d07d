/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_SUPERVISOR_H
#define TESTS_UNIT_SUPERVISOR_H

/*
 * supervisor - the embedded Supervisor API on loopback, in a thread of the test, and a client of it.
 *
 * Shape      supervisor_start() before a test, supervisor_stop() after it. Objects are YAML texts;
 *            what reached the server is a list of lines "PATCH /apis/...", reads and writes alike.
 * Errors     whatever goes wrong fails the test.
 */

#include "capi.h"

#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeprep/kube.h"
#include "nodeprep/serve.h"
#include "nodeprep/sim.h"

struct supervisor {
	struct np_sim *sim;
	struct np_serve *server;
	pthread_t thread;
	struct np_kube *kube; /* admin's */
	char kubeconfig[64]; /* a file with a context for each user */
	pthread_mutex_t lock; /* guards what follows */
	json_t *log; /* list of objects, as nodeprep-sim logs them */
	struct capi capi; /* beside the classes; off until supervisor_serve_capi() */
	bool is_direct; /* the request under way is the test's own, and not logged */
};

/* Starts a server that holds the classes of a YAML text (NULL: none), and connects admin. */
void supervisor_start(struct supervisor *s, const char *classes);
/* The same, an old Supervisor: v1alpha1, classes without namespaces, and bindings. */
void supervisor_start_old(struct supervisor *s, const char *classes);
void supervisor_stop(struct supervisor *s);

/* Returns a client of a user ("admin", "viewer", "nobody"); the caller's. */
struct np_kube *supervisor_connect(struct supervisor *s, const char *user, uint64_t deadline_ms);

/* Replaces the faults by those of a JSON text, as nodeprep-sim(1) describes them. */
void supervisor_faults(struct supervisor *s, const char *json);

/* Serves Cluster API's MachineDeployments and VSphereMachineTemplates from here on. */
void supervisor_serve_capi(struct supervisor *s);

/* Answers the next `count` requests of a method for Cluster API's objects with the status. */
void supervisor_fail_capi(struct supervisor *s, const char *method, unsigned status,
			  unsigned count);

/* Creates an object of YAML text at the API path of its collection. */
void supervisor_create(struct supervisor *s, const char *path, const char *yaml);

/* Merges a JSON patch into the object at the path, as another writer would. */
void supervisor_patch(struct supervisor *s, const char *path, const char *json);
void supervisor_delete(struct supervisor *s, const char *path);

/* Returns the object at the path; NULL where there is none. The caller's. */
json_t *supervisor_get(struct supervisor *s, const char *path);

/* Forgets the requests so far. */
void supervisor_mark(struct supervisor *s);

/* Returns how many requests with the method (NULL: any) arrived since supervisor_mark(). */
size_t supervisor_count(struct supervisor *s, const char *method);

/* Writes "PATCH gpu, GET gpu" of the writes since supervisor_mark(): method and last part of the path. */
const char *supervisor_writes(struct supervisor *s, char *buf, size_t size);

#endif
