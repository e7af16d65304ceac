// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Datapath
import Network
import Policy
import TestSupport
import Testing

extension PacketTables {
    /// A port can open flows even if others have taken all slots that its flows could have.
    @Suite struct FlowReserveTests {
        /// A client of a port's server.
        private struct Client {
            var address: UInt32
            var port: UInt16

            func frame(to server: IPAddress, _ flags: UInt8, _ sequence: UInt32, _ acknowledgement: UInt32 = 0) -> Frame
            {
                Frame(
                    Datagram(
                        IPAddress(v4: address), server,
                        .tcp(port, 80, flags: flags, sequence: sequence, acknowledgement: acknowledgement)))
            }

            func answer(from server: IPAddress, _ flags: UInt8) -> Frame {
                Frame(
                    Datagram(
                        server, IPAddress(v4: address),
                        .tcp(80, port, flags: flags, sequence: 5000, acknowledgement: 1001)))
            }
        }

        /// The bucket of a client's flow under the simulation's hash key, which is zero.
        private static func bucket(_ client: Client, _ server: UInt32, scope: UInt16) -> UInt32 {
            // 198.18.0.0/15 is above the server's address, so the server is the first end, whose packets go out.
            precondition(server < client.address)
            var sip = bh_sip_start(0, 0)
            let word =
                UInt64(80) << 48 | UInt64(client.port) << 32 | UInt64(scope) << 16 | 6 << 8 | 4 << 1
                | UInt64(BH_OUT.rawValue)
            unsafe bh_sip_add(&sip, word)
            unsafe bh_sip_add(&sip, UInt64(server) << 32 | UInt64(client.address))
            return UInt32(truncatingIfNeeded: unsafe bh_sip_end(&sip)) & UInt32(BH_FLOW_BUCKETS - 1)
        }

        /// So many clients whose flows share one bucket at a port.
        private static func clients(_ count: Int, in bucket: UInt32, _ server: UInt32, scope: UInt16) -> [Client] {
            var found: [Client] = []
            for number in 0..<UInt32(1 << 20) where found.count < count {
                let client = Client(address: 0xc612_0000 + number & 0xffff, port: UInt16(2000 + number >> 16))
                if self.bucket(client, server, scope: scope) == bucket { found.append(client) }
            }
            return found
        }

        @Test func aFullBucketKeepsNobodyOut() throws {
            try FlowPorts.simulate(share: 1000) { simulator, ports in
                let server = Ends.server(.v4)
                let number = UInt32(truncatingIfNeeded: server.value)
                func open(_ client: Client, at port: FlowPort) throws -> String {
                    let said = try port.judge(client.frame(to: server, 2, 1000).bytes, .in, in: simulator)
                    guard said == "accept rule" else { return said }
                    _ = try port.judge(client.answer(from: server, 18).bytes, .out, in: simulator)
                    return try goOn(client, at: port)
                }
                func goOn(_ client: Client, at port: FlowPort) throws -> String {
                    try port.judge(client.frame(to: server, 16, 1001, 5001).bytes, .in, in: simulator)
                }
                func scope(_ port: FlowPort) -> UInt16 { UInt16(1 + port.record) }
                let bucket = Self.bucket(Client(address: 0xc612_0000, port: 2000), number, scope: scope(ports.web))
                let web = Self.clients(18, in: bucket, number, scope: scope(ports.web))
                let db = Self.clients(10, in: bucket, number, scope: scope(ports.db))
                try #require(web.count == 18 && db.count == 10)
                // Eight flows fill the bucket, eight the port's own reserve; one more has no slot.
                for client in web.prefix(16) { #expect(try open(client, at: ports.web) == "accept established") }
                #expect(try open(web[16], at: ports.web) == "drop flow-table-full")
                // The other port's flows have the same bucket, but a reserve of their own.
                for client in db.prefix(8) { #expect(try open(client, at: ports.db) == "accept established") }
                #expect(try open(db[8], at: ports.db) == "drop flow-table-full")
                for client in web.prefix(16) { #expect(try goOn(client, at: ports.web) == "accept established") }
                for client in db.prefix(8) { #expect(try goOn(client, at: ports.db) == "accept established") }
                #expect(try simulator.flows().count == 24)
                // An expired flow frees its slot, in a reserve too.
                simulator.pass(seconds: 7600)
                for client in db.prefix(10) { #expect(try open(client, at: ports.db) == "accept established") }
                for client in web.suffix(8) { #expect(try open(client, at: ports.web) == "accept established") }
                #expect(try simulator.flows().count == 18)
            }
        }

        /// The attack that defeated the former hash: a difference in the key that leads to the same bucket under every
        /// secret.
        @Test func noDifferenceIsEqualUnderEverySecret() {
            let ends: (UInt64, UInt64) = (0x2001_0db8_0000_0001, 0x1)
            func hash(_ key: (UInt64, UInt64), _ words: [UInt64]) -> UInt32 {
                var sip = bh_sip_start(key.0, key.1)
                for word in words { unsafe bh_sip_add(&sip, word) }
                return UInt32(truncatingIfNeeded: unsafe bh_sip_end(&sip)) & UInt32(BH_FLOW_BUCKETS - 1)
            }
            var random = RandomNumbers(seed: 1)
            for bit in [0, 31, 32, 62, 63] {
                var equal = 0
                for _ in 0..<20_000 {
                    let key = (
                        UInt64.random(in: 0 ... .max, using: &random), UInt64.random(in: 0 ... .max, using: &random)
                    )
                    let other = [ends.0 ^ 1 << bit, ends.1 ^ 1 << bit]
                    if hash(key, [ends.0, ends.1]) == hash(key, other) { equal += 1 }
                }
                // By chance fewer than one is expected; the former hash gave all of them for the highest bit.
                #expect(equal < 10, "bit \(bit)")
            }
        }
    }
}
