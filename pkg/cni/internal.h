/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_CNI_INTERNAL_H
#define NODEPREP_PKG_CNI_INTERNAL_H

/*
 * internal - what the files of exec share: call.c reads the environment, config.c the configuration,
 * holder.c names holders, result.c writes what goes out.
 */

#include "nodeprep/cni.h"

/* Tells whether the text does as a network's name or a container's id (specification, section 2). */
bool cni_is_name(const char *text);

/* Finds the version called `text`; false where it is not supported. */
bool cni_find_version(const char *text, enum np_cni_version *ret);

#define CNI_VERSIONS_TEXT "0.4.0, 1.0.0 and 1.1.0"

/* Keys of the specification, of which one older spelling is its own mistake. */
#define CNI_VALID_KEY "cni.dev/valid-attachments"
#define CNI_VALID_KEY_OLD "cni.dev/attachments"

#endif
