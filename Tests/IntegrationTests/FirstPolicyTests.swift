// SPDX-License-Identifier: Apache-2.0
import Glibc
import Network
import TestSupport
import Testing

extension Integration {
    /// The policy that `init` writes, put in force, cuts nothing that is open, and lets in only what listens.
    @Suite(.serialized) struct FirstPolicyTests {
        @Test(arguments: AddressFamily.allCases)
        func cutsNothingThatIsOpen(family: AddressFamily) throws {
            let site = try UplinkSite()
            let ends = family == .v4 ? UplinkSite.v4 : UplinkSite.v6
            let server = try IPSocket.bound(site.host, .tcp, ends.host, 8080)
            let peer = try IPSocket.bound(site.network, .tcp, ends.network, 2049)
            let inward = try IPSocket.connected(site.network, .tcp, ends.host, 8080)
            let accepted = try server.accept()
            // From a low port, as NFS does it: the host looks like the server.
            let outward = try IPSocket.connected(site.host, .tcp, ends.network, 2049, from: 800)
            let answering = try peer.accept()
            // Of one that the host has ended, the other end sends on.
            let ended = try IPSocket.connected(site.host, .tcp, ends.network, 2049, from: 801)
            let sending = try peer.accept()
            #expect(shutdown(ended.descriptor, Int32(SHUT_WR)) == 0)
            // A conversation in which the peer is the next to send.
            let asking = try IPSocket.connected(site.host, .udp, ends.network, 3478, from: 41000)
            let telling = try IPSocket.connected(site.network, .udp, ends.host, 41000, from: 3478)

            let text = try site.host.run(Bulkhead.executable, "init")
            let policy = try site.lab.file("first.yaml", text)
            let check = try site.bulkhead.run("check", "--strict", policy)
            #expect(check.status == 0, "\(check.errors)\n\(text)")
            try site.bulkhead.apply(policy)
            let ways = [(inward, accepted), (accepted, inward), (outward, answering), (answering, outward)]
            for (one, other) in ways + [(sending, ended), (telling, asking)] {
                try one.send([1, 2, 3])
                #expect(try other.receive(3, milliseconds: 2000) == [1, 2, 3], "\(text)")
            }
            #expect(site.network.connects(to: ends.host, 8080), "\(text)")
            // It would be refused by a reset, which is an answer: silence is the filter's.
            #expect(throws: SocketFailure.self) {
                try IPSocket.connected(site.network, .tcp, ends.host, 8081, milliseconds: 500)
            }
            let counted = try site.bulkhead.counters().ports.first { $0.direction == "in" }
            #expect(counted?.reasons["default"] ?? 0 > 0)
        }
    }
}
