// SPDX-License-Identifier: Apache-2.0

/// What the instance remembers besides the policy: the value of the pinned map `instance`, which no program reads.
package struct InstanceState: BitwiseCopyable {
    /// The last generation number that was given out; none is used twice.
    package var generation: UInt64 = 0
    /// SHA-256 of the objects whose programs are loaded.
    package var programs: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    package var removed = RemovedPorts()
    /// The secret of the flow hash; as old as the flow table.
    package var flowSecret: (UInt64, UInt64) = (0, 0)
    /// The mark of answers to rejected packets; 0: not drawn yet.
    package var answerMark: UInt32 = 0
    package var pad: UInt32 = 0
}
