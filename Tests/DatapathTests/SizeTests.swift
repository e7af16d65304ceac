// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Datapath

/// What an instance takes of the kernel's memory.
@Suite struct SizeTests {
    /// What grows with ports and rules grows with those that there are, not with those that there may be. Before, the
    /// counters took 7.7 MiB for each possible CPU.
    @Test func countersGrowWithPortsAndRules() throws {
        let none = try InstanceSizes(cpus: 1, ports: 0, rules: 0)
        let small = try InstanceSizes(cpus: 1, ports: 10, rules: 1000)
        let large = try InstanceSizes(cpus: 1, ports: 1000, rules: 100_000)
        #expect(large.shared == small.shared)
        #expect(small.perCPU - none.perCPU == 64 << 10)
        #expect(large.perCPU - small.perCPU < 3 << 20)
        // Of this the verdict cache has 3 MiB.
        #expect(small.perCPU < 13 << 18)
        #expect(small.total == small.shared + small.perCPU)
    }
}
