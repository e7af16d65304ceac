// SPDX-License-Identifier: Apache-2.0
import CHeap
import Commands

// Reading and compiling a policy of 10,000 rules takes less than this.
bulkhead_prepare_heap(64 << 20)
Bulkhead.main(nil)
