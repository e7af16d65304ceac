// SPDX-License-Identifier: Apache-2.0
import CArguments
import CHeap
import Commands

// Reading and compiling a policy of 10,000 rules takes less than this.
bulkhead_prepare_heap(64 << 20)

var arguments: [String] = []
while let argument = unsafe bulkhead_argument(Int32(arguments.count + 1)) {
    unsafe arguments.append(String(cString: argument))
}
Bulkhead.main(arguments)
