// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import Datapath

@Suite struct ScaleTests {
    /// Programs are verified and kept once, however many ports there are. A port costs only the kernel's own wait at
    /// each hook.
    @Test func manyPorts() throws {
        let lab = try Lab()
        let count = 60
        let host = try lab.namespace("host")
        let lines = (0..<count).flatMap { ["link add v\($0) type veth peer name p\($0)", "link set v\($0) up"] }
        try Shell.check("ip", "-netns", host.name, "-batch", "-", input: lines.joined(separator: "\n") + "\n")
        let instance = try Instance(lab.id)
        lab.atEnd { _ = try? instance.detachAll() }
        var policy = TestPolicy()
        for number in 0..<count { policy.port("guest-\(number)", interface: "v\(number)", namespace: host.name) }
        let clock = ContinuousClock()
        try policy.apply(instance)
        let start = clock.now
        let status = try instance.status()
        let milliseconds = (clock.now - start) / .milliseconds(1)
        #expect(status.ports.count == count)
        #expect(status.ports.allSatisfy { $0.state == .enforcing && $0.hooks.count == 2 })
        #expect(Set(status.ports.map(\.device)).count == count)
        print("status of \(count) ports: \(milliseconds) ms")
        #expect(try instance.detachAll().ports.count == count)
        #expect(!PinFolder.root.holds(instance.name))
    }
}
