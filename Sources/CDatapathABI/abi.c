// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Compiles the contract once as plain C, so that its size assertions hold here as well as in BPF. */
#include "datapath_abi.h"
