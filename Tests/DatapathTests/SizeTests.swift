// SPDX-License-Identifier: Apache-2.0
import Libbpf
import TestSupport
import Testing

@testable import Datapath

/// What an instance takes of the kernel's memory, by the number of possible CPUs.
@Suite struct SizeTests {
    private static let mebibyte = 1 << 20

    @Test func tenPortsOn128CPUs() throws {
        let sizes = try InstanceSizes(cpus: 128, ports: 10, rules: 1000)
        #expect(sizes.total < 120 * SizeTests.mebibyte, "\(sizes.total / SizeTests.mebibyte) MiB")
    }

    /// Whatever grows with ports and rules grows with those that there are, not with those that there may be.
    @Test func aLargeInstance() throws {
        let none = try InstanceSizes(cpus: 1, ports: 0, rules: 0)
        let small = try InstanceSizes(cpus: 1, ports: 10, rules: 1000)
        let large = try InstanceSizes(cpus: 1, ports: 1000, rules: 100_000)
        #expect(large.shared == small.shared)
        #expect(small.perCPU - none.perCPU == 64 << 10)
        #expect(small.total == small.shared + small.perCPU)
        #expect(small.perCPU < 3 * SizeTests.mebibyte / 2)
        #expect(large.perCPU - small.perCPU < 3 * SizeTests.mebibyte)
    }

    @Test(arguments: [(1, 64), (32, 64), (33, 32), (64, 32), (128, 16), (4096, 16)])
    func answersAreFewerWhereCPUsAreMany(cpus: Int, blocks: UInt32) {
        #expect(AnswerTable.blocks(cpus: cpus) == blocks)
    }

    /// The kernel's own figure agrees with what was worked out, for the CPUs of this host.
    @Test func theKernelAgrees() throws {
        let lab = try GuestLab()
        try lab.policy.apply(lab.instance)
        let sizes = try InstanceSizes(cpus: Map.possibleCPUs, ports: 1, rules: 0)
        let maps = try lab.instance.openMaps()
        let worked = sizes.total
        // The kernel counts what it needs to know of each map, and of each value per CPU.
        #expect(maps.memory > worked && maps.memory < worked + worked / 10, "\(maps.memory), worked out: \(worked)")
    }
}
