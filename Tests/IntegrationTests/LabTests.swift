// SPDX-License-Identifier: Apache-2.0
import Network
import TestSupport
import Testing

extension Integration {
    /// The tests' own tools: the kernel's stack accepts what they build.
    @Suite struct LabTests {
        private static func cable() throws -> (lab: Lab, left: Namespace, right: Namespace) {
            let lab = try Lab()
            let (left, right) = (try lab.namespace("left"), try lab.namespace("right"))
            try lab.veth((left, "a0"), (right, "b0"))
            try lab.address(left, "a0", "192.0.2.1/24", "2001:db8::1/64")
            try lab.address(right, "b0", "192.0.2.2/24", "2001:db8::2/64")
            return (lab, left, right)
        }

        @Test(arguments: [
            (IPAddress("192.0.2.1"), IPAddress("192.0.2.2")), (IPAddress("2001:db8::1"), IPAddress("2001:db8::2")),
        ])
        func aFrameBuiltHereIsTakenByTheKernel(source: IPAddress, destination: IPAddress) throws {
            let (lab, left, right) = try Self.cable()
            defer { withExtendedLifetime(lab) {} }
            let mac = try right.mac(of: "b0")
            let receiver = try IPSocket.bound(right, .udp, destination, 5000)
            let sender = try PacketSocket(left, "a0")
            let plain = Datagram(source, destination, .udp(4000, 5000, payload: Array("hello".utf8)))
            try sender.send(Frame(plain, to: mac))
            #expect(try receiver.receive() == Array("hello".utf8))
            // Sent in two fragments, which the kernel reassembles.
            let payload = [UInt8](repeating: 7, count: 16)
            for packet in Datagram(source, destination, .udp(4000, 5000, payload: payload)).fragments(of: 16) {
                try sender.send(Frame(packet, to: mac))
            }
            #expect(try receiver.receive() == payload)
        }

        @Test func tcpConnectsAndIsRefused() throws {
            let (lab, left, right) = try Self.cable()
            defer { withExtendedLifetime(lab) {} }
            let server = try IPSocket.bound(right, .tcp, "2001:db8::2", 80)
            let client = try IPSocket.connected(left, .tcp, "2001:db8::2", 80)
            let session = try server.accept()
            try client.send([1, 2, 3])
            #expect(try session.receive() == [1, 2, 3])
            #expect(throws: SocketFailure.self) { try IPSocket.connected(left, .tcp, "192.0.2.2", 80) }
        }

        @Test func tagsAreSeenWhereTheyWereSent() throws {
            let (lab, left, right) = try Self.cable()
            defer { withExtendedLifetime(lab) {} }
            let sender = try PacketSocket(left, "a0")
            let receiver = try PacketSocket(right, "b0")
            let packet = Datagram("192.0.2.1", "192.0.2.2", .udp())
            let frames = [[], [10], [10, 20], [10, 20, 30]].map { tags in
                Frame(packet, tags: tags.map { Frame.Tag($0) })
            }
            for frame in frames { try sender.send(frame) }
            let received = try receiver.receiveAll()
            #expect(received.map(\.description) == frames.map(\.description))
        }

        @Test func nothingIsLeftBehind() throws {
            var lab: Lab? = try Lab()
            let id = try #require(lab?.id)
            _ = try lab?.namespace("gone")
            #expect(try Shell.check("ip", "netns", "list").contains(id))
            lab = nil
            #expect(try !Shell.check("ip", "netns", "list").contains(id))
        }

        @Test func aCommandThatTakesTooLongIsEnded() throws {
            let command = try Command(["sleep", "60"])
            #expect(throws: CommandFailure.self) { try command.wait(seconds: 0.05) }
            #expect(poll(seconds: 2) { !command.isRunning })
        }
    }
}
