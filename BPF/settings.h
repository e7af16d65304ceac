/* SPDX-License-Identifier: GPL-2.0-only */
/* What the controller sets in the programs before it loads them: constants to the verifier. */
#ifndef BULKHEAD_SETTINGS_H
#define BULKHEAD_SETTINGS_H

#include "datapath_abi.h"

/* The only read-only data. These values are for a program that is loaded by hand. */
const volatile struct bh_settings settings = { .ticks_per_second = 250, .answer_mark = 1 };

#endif
