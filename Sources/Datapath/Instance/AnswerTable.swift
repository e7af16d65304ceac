// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Libbpf

/// The table of answers that each CPU keeps for the front: map `verdicts`.
package enum AnswerTable {
    /// Blocks of 16 KiB that each CPU has here.
    package static let blocks = blocks(cpus: Map.possibleCPUs)

    /// Blocks that each of so many possible CPUs has: 1 MiB, where they are many less, and 256 KiB at least. A power of
    /// two.
    package static func blocks(cpus: Int) -> UInt32 {
        var blocks: UInt32 = 64
        while blocks > 16, Int(blocks) * cpus > 2048 { blocks /= 2 }
        return blocks
    }

    /// Blocks of a CPU that has so many for answers to very packets: those for answers to classes are with them.
    package static func all(_ blocks: UInt32) -> UInt32 { blocks + bh_class_blocks(blocks) }

    /// Entries of the map, if each of this host's possible CPUs has so many blocks.
    package static func entries(blocks: UInt32) -> UInt32 { all(blocks) * UInt32(Map.possibleCPUs) }
}
