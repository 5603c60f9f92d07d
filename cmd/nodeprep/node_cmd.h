/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_CMD_NODEPREP_NODE_CMD_H
#define NODEPREP_CMD_NODEPREP_NODE_CMD_H

/*
 * node_cmd - what node-check and host-check share.
 */

#include <jansson.h>
#include <stdbool.h>

#include "nodeprep/kube.h"
#include "nodeprep/report.h"

/* 0 where all is well, 1 where something is wrong, 6 where it cannot be told. */
int exit_of_verdict(enum np_verdict pass);

/* node_object.c: the Node in the API, its annotation (NULL: none), and what it is told. */
int node_fetch(struct np_kube *k, const char *name, json_t **ret, struct np_err *err);
const char *node_annotation(const json_t *node);

struct node_news {
	const char *name;
	enum np_verdict pass;
	const char *brief; /* np_report_brief() */
	bool patch, remove_taint;
};

int node_tell(struct np_kube *k, const struct node_news *news, struct np_err *err);

#endif
