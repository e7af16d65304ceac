// SPDX-License-Identifier: Apache-2.0
import Foundation
import Host
import Libbpf
import TestSupport
import Testing

@testable import Datapath

/// Other tools' programs on hooks that ours share.
@Suite struct ForeignProgramTests {
    /// The path of an object with one program, which returns the same value for every packet.
    private static func object(_ lab: Lab, _ name: String, returns result: Int) throws -> String {
        let source = try lab.file(
            "\(name).c",
            """
            __attribute__((section("tc"), used)) int \(name)(void *ctx) { return \(result); }
            char _license[] __attribute__((section("license"), used)) = "GPL";
            """)
        let object = String(source.dropLast(2)) + ".o"
        try Shell.check("clang", "-O2", "-target", "bpf", "-c", source, "-o", object)
        return object
    }

    /// Another program may drop what ours accept, and when ours go, only ours go. With TCX, and with filters as before
    /// TCX.
    @Test(arguments: [true, false]) func oneBehindStillRunsAndStays(usesTCX: Bool) throws {
        let lab = try GuestLab()
        let instance = try Instance("\(lab.lab.id)-behind", usesTCX: usesTCX && lab.instance.usesTCX)
        lab.lab.atEnd { _ = try? instance.detachAll() }
        let object = try Self.object(lab.lab, "foreign_shot", returns: 2)
        // Otherwise the first lost ping delays the others.
        try lab.guest.run("ip", "neigh", "add", "192.0.2.1", "lladdr", "\(lab.host.mac(of: "tap0"))", "dev", "eth0")
        try lab.host.run("tc", "qdisc", "add", "dev", "tap0", "clsact")
        try lab.host.run(
            "tc", "filter", "add", "dev", "tap0", "ingress", "pref", "50", "bpf", "da", "obj", object, "sec", "tc")
        #expect(try !lab.ping())

        var policy = TestPolicy()
        policy.port("guest", interface: "tap0", namespace: lab.host.name, in: .accept)
        try policy.apply(instance)
        #expect(try instance.status().ports.map(\.ahead) == [[]])
        #expect(try !lab.ping())
        let counters = try instance.counters()
        #expect(counters.ports.contains { $0.accepted.packets > 0 }, "\(counters)")
        #expect(counters.ports.allSatisfy { $0.dropped.packets == 0 })

        _ = try instance.detachAll()
        let left = try lab.host.run("tc", "filter", "show", "dev", "tap0", "ingress")
        #expect(left.contains("foreign_shot") && !left.contains("entry_tc_"), "\(left)")
        #expect(try !lab.ping())
        try lab.host.run("tc", "filter", "delete", "dev", "tap0", "ingress", "pref", "50")
        #expect(try lab.ping())
    }

    /// A program attached later comes first. What it accepts for good ours do not see, and `status` says so.
    @Test func oneAheadIsNamed() throws {
        let lab = try GuestLab()
        var policy = TestPolicy()
        policy.port("guest", interface: "tap0", namespace: lab.host.name, in: .accept, out: .drop)
        try policy.apply(lab.instance)
        try #require(lab.instance.usesTCX, "this kernel has no TCX: filters have priorities of their own")
        #expect(try !lab.ping())
        let device = try #require(try lab.instance.imageInForce(try lab.instance.openMaps()).devices().first)
        let path = try Self.object(lab.lab, "foreign_ok", returns: 0)
        let bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
        let pin = Pin("\(lab.lab.id)-foreign", in: try #require(try PinFolder.root.open()))
        lab.lab.atEnd { try? pin.folder.unpin(pin.name) }
        try NetworkNamespace.with(lab.host.name) { () throws(DatapathError) in
            do throws(BPFError) {
                let object = try Object(bytes, name: "foreign").load()
                try Link(
                    attaching: try object.program("foreign_ok"), to: .tcxIngress, interface: device.interfaceIndex
                ).pin(at: pin)
            } catch {
                throw DatapathError("attach", error)
            }
        }
        #expect(try lab.ping())
        let ahead = try #require(try lab.instance.status().ports.first?.ahead)
        #expect(ahead.count == 1 && ahead[0].hasPrefix("tc-ingress: program 'foreign_ok' "), "\(ahead)")

        try pin.folder.unpin(pin.name)
        // The kernel detaches a program whose last pin is gone a moment later, by a work item.
        #expect(try poll(seconds: 30) { try lab.instance.status().ports.map(\.ahead) == [[]] })
        #expect(try !lab.ping())
    }
}
