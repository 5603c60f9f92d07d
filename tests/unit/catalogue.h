/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_CATALOGUE_H
#define TESTS_UNIT_CATALOGUE_H

/*
 * catalogue - the GPU catalogue of a test binary, from set_up_catalogue() to tear_down_catalogue():
 * cmocka's set-up and tear-down functions of a group.
 */

#include "nodeprep/gpu.h"

extern struct np_catalogue *catalogue;

int set_up_catalogue(void **state);
int tear_down_catalogue(void **state);

#endif
