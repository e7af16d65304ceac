// SPDX-License-Identifier: Apache-2.0
import Libbpf
import Network
import TestSupport
import Testing
import Wire

@testable import Simulation

extension PacketTables {
    /// Packets that rules do not tell apart from an earlier one: what the front knows of them.
    @Suite struct FrontClassTests {
        /// Where no packet comes twice, but their like do, answers to the very packet are hardly asked for, and those
        /// to its class are.
        @Test(.enabled(if: Front.blocks > 0)) func eachKindIsAskedForByItself() throws {
            try FrontTests.Table.use(FrontTests.policy) { table throws in
                let simulator = table.simulator
                (simulator.keepsRoom, simulator.keepsScore) = (true, true)
                defer { (simulator.keepsRoom, simulator.keepsScore) = (false, false) }
                var asked = FrontTests.Asked(.v4)
                var answered: [Bool] = []
                for number in 0..<1000 {
                    asked.segment = .udp(UInt16(1000 + number), 101, payload: [1])
                    #expect(try table.says(asked) == "drop default")
                    answered.append(simulator.wasAnsweredByClass)
                }
                // Each CPU learns it once.
                #expect(answered.count { $0 } > 990)
            }
        }

        /// Packets of other addresses and ports that no rule tells apart have one answer.
        @Test(.enabled(if: Front.blocks > 0), arguments: AddressFamily.allCases)
        func whatRulesDoNotTellApartIsKnown(family: AddressFamily) throws {
            try FrontTests.Table.use(FrontTests.policy) { table throws in
                for (port, said) in [(100, "accept free"), (101, "drop default")] {
                    var asked = FrontTests.Asked(family)
                    asked.segment = .udp(1000, UInt16(port), payload: [1])
                    #expect(try table.repeats(asked) == said)
                    var answered = 0
                    for number in UInt16(0)..<20 {
                        asked.source = family == .v4 ? IPAddress(v4: 0xc612_0000 + UInt32(number)) : asked.source
                        asked.segment = .udp(2000 + number, UInt16(port), payload: [1])
                        #expect(try table.says(asked) == said)
                        answered += table.simulator.wasAnsweredByClass ? 1 : 0
                    }
                    #expect(answered >= 20 - Map.possibleCPUs)
                }
            }
        }

        /// A guard of addresses asks for more of a packet than rules do.
        @Test func aForgedAddressIsAskedAnew() throws {
            let policy = """
                version: 1
                ports:
                  nic: { interface: nic0, protects: host }
                  web:
                    interface: tap0
                    protects: workload
                    mac: "02:00:00:00:00:01"
                    addresses: [192.0.2.80]
                    guard: [mac, ip, destination]
                defaults: { in: accept, out: accept }
                rules:
                  - { name: free, service: udp/99, action: accept, stateless: true }
                """
            try FrontTests.Table.use(policy) { table throws in
                var asked = FrontTests.Asked(.v4)
                asked.segment = .udp(40000, 99, payload: [1])
                (asked.source, asked.destination, asked.direction) = (asked.destination, asked.source, .out)
                #expect(try table.repeats(asked) == (Front.blocks > 0 ? "accept free" : nil))
                asked.source = "192.0.2.81"
                #expect(try table.says(asked) == "drop guard-ip")
                (asked.source, asked.destination, asked.direction) = ("198.51.100.7", "192.0.2.80", .in)
                #expect(try table.repeats(asked) == (Front.blocks > 0 ? "accept free" : nil))
                asked.destination = "192.0.2.81"
                #expect(try table.says(asked) == "drop guard-destination")
            }
        }

        /// A flow that comes into being between packets whose class is dropped.
        @Test(arguments: AddressFamily.allCases) func aFlowIsNoneOfItsClass(family: AddressFamily) throws {
            try FrontTests.Table.use(FrontTests.policy) { table throws in
                var (asked, reply) = (FrontTests.Asked(family), FrontTests.Asked(family))
                (reply.source, reply.destination) = (asked.destination, asked.source)
                reply.direction = .out
                for number in UInt16(0)..<40 {
                    reply.segment = .udp(103, 3000 + number, payload: [1])
                    #expect(try table.says(reply) == "drop default")
                    asked.segment = .udp(3000 + number, 103, payload: [1])
                    #expect(try table.says(asked) == "accept open")
                    #expect(try table.says(reply) == "accept established")
                }
            }
        }

        // MARK: Devices of one port

        private static let other: UInt16 = 900

        /// What was learnt at one device of a port holds at another one, but not where that is cut off.
        @Test(arguments: AddressFamily.allCases) func devicesOfAPortShareAnswers(family: AddressFamily) throws {
            try FrontTests.Table.use(FrontTests.policy) { table throws in
                var (here, there) = (FrontTests.Asked(family), FrontTests.Asked(family))
                there.device = Self.other
                here.segment = .udp(1000, 101, payload: [1])
                var answered = 0
                for number in UInt16(0)..<20 {
                    there.segment = .udp(2000 + number, 101, payload: [1])
                    for isQuarantined in [false, true] {
                        there.isQuarantined = isQuarantined
                        // Cutting it off has the front forget all.
                        _ = try table.says(there)
                        for _ in 0..<3 * Map.possibleCPUs { #expect(try table.says(here) == "drop default") }
                        var next = there
                        next.segment = .udp(3000 + number, 101, payload: [1])
                        #expect(try table.says(next) == (isQuarantined ? "drop quarantine" : "drop default"))
                        #expect(!isQuarantined || !table.simulator.wasAnswered)
                        answered += table.simulator.wasAnswered ? 1 : 0
                    }
                }
                // Which CPU judges a packet is not ours to say, and each learns by itself.
                #expect(Front.blocks == 0 || answered >= 10)
            }
        }

        /// A flow at one device of a port is none at another one.
        @Test(arguments: AddressFamily.allCases) func flowsAreOfADevice(family: AddressFamily) throws {
            try FrontTests.Table.use(FrontTests.policy) { table throws in
                var (asked, reply) = (FrontTests.Asked(family), FrontTests.Asked(family))
                (reply.source, reply.destination) = (asked.destination, asked.source)
                reply.direction = .out
                for number in UInt16(0)..<40 {
                    reply.segment = .udp(103, 3000 + number, payload: [1])
                    asked.segment = .udp(3000 + number, 103, payload: [1])
                    #expect(try table.says(asked) == "accept open")
                    for device in [Self.other, nil, Self.other, nil] {
                        reply.device = device
                        #expect(try table.says(reply) == (device == nil ? "accept established" : "drop default"))
                    }
                }
            }
        }

        /// Connections from before are adopted at a device that is new, whatever was learnt at older ones.
        @Test(arguments: AddressFamily.allCases) func aNewDeviceAdopts(family: AddressFamily) throws {
            let policy = """
                version: 1
                ports:
                  web: { interface: "tap*", protects: workload }
                defaults: { in: drop, out: drop, adopt: 1h }
                rules:
                  - { name: open, service: tcp/443, action: accept }
                """
            try FrontTests.Table.use(policy) { table throws in
                table.simulator.attachAnew(.asWritten, only: Simulator.device(0))
                var asked = FrontTests.Asked(family)
                for number in UInt16(0)..<20 {
                    for (device, said) in [(Self.other, "drop invalid-state"), (nil, "accept open")] {
                        asked.device = device
                        asked.segment = .tcp(
                            40_000 + number, 443, flags: Segment.TCPFlag.ack, sequence: 1, acknowledgement: 1)
                        let says = try table.says(asked)
                        #expect(says == said)
                    }
                }
            }
        }
    }
}
