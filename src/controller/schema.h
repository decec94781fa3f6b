/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps that bring cordond's database to the form this program knows.
 */
#ifndef CD_CONTROLLER_SCHEMA_H
#define CD_CONTROLLER_SCHEMA_H

#include "sys/store.h"

extern const struct cd_migration cd_schema_steps[];
extern const size_t cd_schema_steps_count;

#endif
