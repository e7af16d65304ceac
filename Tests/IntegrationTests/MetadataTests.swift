// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

extension Integration {
    /// What only a real device shows: tags that the kernel has moved into metadata, and segmentation-offload packets.
    @Suite(.serialized) struct MetadataTests {
        private static let stacks: [[Frame.Tag]] = [
            [], [.init(0, priority: 3)], [.init(10)], [.init(20)], [.init(10, type: 0x88a8)], [.init(10), .init(20)],
            [.init(10, type: 0x88a8), .init(20)], [.init(10), .init(20), .init(30)],
        ]

        /// What passes under each kind of admission, by index in `stacks`, and by a rule that accepts VLAN 10 only.
        @Test(
            arguments: [
                ("none", [0, 1]), ("[10]", [2, 4]), ("[0, 20]", [0, 1, 3]), ("any", [0, 1, 2, 3, 4, 5, 6]),
                ("rule", [2, 4, 5, 6]),
            ], ["vm-a", "vm-b"])
        func tagsInMetadataAreSeen(admission: (vlans: String, passing: [Int]), device: String) throws {
            let site = try BridgeSite()
            let isRule = admission.vlans == "rule"
            let policy = try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports:
                  guest: { interface: \(device), protects: workload, vlans: \(isRule ? "any" : admission.vlans) }
                defaults: { in: drop, out: drop }
                rules:
                  - { name: tagged, \(isRule ? "vlan: 10, " : "")service: udp/53, action: accept }
                """)
            try site.bulkhead.apply(policy)
            let sender = try PacketSocket(site.a, "eth0")
            let receiver = try PacketSocket(site.b, "eth0")
            let mac = try site.b.mac(of: "eth0")
            var frames: [Frame] = []
            for family in AddressFamily.allCases {
                let datagram = Datagram(BridgeSite.address(1, family), BridgeSite.address(2, family), .udp())
                frames += Self.stacks.map { Frame(datagram, to: mac, tags: $0) }
            }
            for frame in frames { try sender.send(frame) }
            let expected = frames.indices.filter { admission.passing.contains($0 % Self.stacks.count) }.map {
                frames[$0]
            }
            let received = try receiver.receiveAll()
            #expect(received.map(\.description) == expected.map(\.description))
            let counters = try site.bulkhead.counters()
            let port = try counters.port("guest", device == "vm-a" ? "out" : "in")
            // Nobody listens. The guest's errors about untagged frames are related to the flows that the rule opened.
            let related = counters.ports.reduce(0) { $0 + ($1.acceptReasons["related"] ?? 0) }
            #expect(try counters.rule("tagged").packets == expected.count + related)
            let refused = isRule ? 2 : frames.count - expected.count
            #expect(port.reasons["vlan"] == refused)
            if isRule { #expect(port.reasons["default"] == frames.count - expected.count - refused) }
            counters.expectExactAccounting()
        }

        /// Segments are counted as they would be on the wire.
        @Test(arguments: AddressFamily.allCases) func superPacketsAreCountedInWirePackets(family: AddressFamily) throws
        {
            let site = try BridgeSite()
            let policy = try site.lab.file(
                "policy.yaml",
                """
                version: 1
                ports:
                  a: { interface: vm-a, protects: workload }
                  b: { interface: vm-b, protects: workload }
                defaults: { in: drop, out: drop }
                rules:
                  - { name: bulk, service: tcp/5001, action: accept }
                """)
            try site.bulkhead.apply(policy)
            let address = BridgeSite.address(2, family)
            let server = try IPSocket.bound(site.b, .tcp, address, 5001)
            let client = try IPSocket.connected(site.a, .tcp, address, 5001)
            let session = try server.accept()
            let total = 32 << 20
            #expect(try client.transfer(total, to: session) == total)
            // TCP may retransmit on a busy machine; that is on the wire as well.
            let sent = try client.payloadSent()
            #expect(sent >= total)
            let counters = try site.bulkhead.counters()
            for (name, direction) in [("a", "out"), ("b", "in")] {
                let port = try counters.port(name, direction)
                // Ethernet, IP, and TCP with timestamps: the headers that each segment repeats.
                let headers = 14 + (family == .v4 ? 20 : 40) + 32
                let segment = 1500 + 14 - headers
                #expect(port.accepted.packets >= total / segment)
                let overhead = Double(port.accepted.bytes - sent) / Double(port.accepted.packets)
                #expect(abs(overhead - Double(headers)) < 1, "\(overhead) bytes of headers a packet, \(port.accepted)")
                #expect(port.dropped.packets == 0)
            }
            // The rules count the frames of both ports in both directions.
            let accepted = counters.ports.reduce(0) { $0 + $1.accepted.packets - ($1.reasons["essential"] ?? 0) }
            let ruled = counters.rules.reduce(0) { $0 + $1.packets }
            #expect(accepted - ruled < 100)
        }
    }
}
