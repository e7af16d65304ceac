/* Compiles the contract once as plain C, so that its size assertions hold here as well as in BPF. */
#include "datapath_abi.h"
