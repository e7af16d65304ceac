// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import TestSupport
import Testing

extension Integration {
    /// The table of docs/scenarios.md, row by row.
    @Suite(.serialized) struct ScenarioTests {
        @Test func theDocumentHasThisTable() throws {
            let rows =
                (HonestScenarios.booting + HonestScenarios.running).map { "| \($0.description) | honest | works |" }
                + Attacks.all.map { "| \($0.description) | attack | `\($0.reason)` |" }
            let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/scenarios.md")
            let document = try String(contentsOf: path, encoding: .utf8)
            #expect(document.split(separator: "\n").filter { $0.hasPrefix("| ") }.dropFirst(2).map(String.init) == rows)
        }

        /// With `strict`, a default of drop and few rules, the guards drop nothing that a guest sends.
        @Test(arguments: [false, true]) func anHonestGuestIsUntouched(hasAddresses: Bool) throws {
            let site = try GuestSite()
            try site.apply()
            if hasAddresses { try site.addressGuests() }
            for scenario in hasAddresses ? HonestScenarios.running : HonestScenarios.booting {
                do {
                    try scenario.run(site)
                } catch {
                    Issue.record(error, "\(scenario.description)")
                }
                let reasons = try site.bulkhead.counters().ports.filter { $0.direction == "out" }.flatMap(\.reasons)
                let guarded = reasons.filter { $0.key.hasPrefix("guard-") && $0.value > 0 }
                try #require(guarded.isEmpty, "\(scenario.description): \(guarded)")
            }
        }

        /// Essentials alone are enough for a guest that boots: by default nothing passes in either direction.
        @Test func whatIsEssentialIsEnoughToBoot() throws {
            let site = try GuestSite()
            try site.apply(defaults: "in: drop, out: drop")
            for scenario in HonestScenarios.booting + HonestScenarios.listening {
                do {
                    try scenario.run(site)
                } catch {
                    Issue.record(error, "\(scenario.description)")
                }
            }
        }

        /// Essentials are not a tunnel: between guests that may not send to each other, a long message does not arrive,
        /// and a short one of the same kind does.
        @Test func essentialsAreNoTunnel() throws {
            let site = try GuestSite()
            try site.apply(defaults: "in: drop, out: drop")
            let sender = try PacketSocket(site.guest, "eth0")
            let receivers = [try PacketSocket(site.other, "eth0"), try PacketSocket(site.router, "net0")]
            for (long, short) in zip(Self.messages(isLong: true), Self.messages(isLong: false)) {
                for frame in [long, short] { try sender.send(frame) }
                // Frames stay in order, so everything before the short one has arrived.
                for receiver in receivers { try Self.expect(short, without: long, at: receiver, "\(short)") }
            }
            let out = try site.bulkhead.counters().port("guest", "out")
            #expect(out.dropped.packets >= Self.messages(isLong: true).count)
        }

        /// One frame each of DHCP, IGMP, neighbour discovery and ARP, all of them to everyone.
        private static func messages(isLong: Bool) -> [Frame] {
            let mac = GuestSite.macs.guest
            let (v4, everyone) = (GuestSite.guest(.v4), MACAddress(0xffff_ffff_ffff))
            func tail(_ count: Int) -> [UInt8] { [UInt8](repeating: 0x42, count: isLong ? count : 0) }
            let arp: [UInt8] = [0, 1, 8, 0, 6, 4, 0, 1] + mac.bytes + v4.bytes + mac.bytes + v4.bytes
            let nonce: [UInt8] = isLong ? [14, 125] + tail(998) : []
            let datagrams = [
                Datagram("0.0.0.0", "255.255.255.255", .udp(68, 67, payload: [1] + tail(1400))),
                Datagram(v4, "239.9.9.9", Segment(number: 2, bytes: [0x16, 0, 0, 0, 239, 9, 9, 9] + tail(1400))) {
                    $0.hopLimit = 1
                },
                Datagram(
                    mac.linkLocal, "ff02::1", .icmpv6(135, body: [0, 0, 0, 0] + GuestSite.other(.v6).bytes + nonce)
                ) { $0.hopLimit = 255 },
            ]
            return datagrams.map { Frame($0, from: mac, to: everyone) }
                + [Frame(from: mac, to: everyone, type: 0x0806, payload: arp + tail(1000))]
        }

        /// Nobody receives any of the forged frames. Each gives one event at each port that it reaches, and an honest
        /// frame after it arrives: untagged, with a tag (which the kernel moves into metadata), and with two.
        @Test(arguments: [[], [10], [10, 20]] as [[UInt16]]) func aForgedFrameArrivesNowhere(tags: [UInt16]) throws {
            let site = try GuestSite()
            let keys = tags.isEmpty ? "" : ", vlans: any"
            try site.apply(uplink: ", guard: [ip]", keys: keys, defaults: "in: accept, out: accept")
            let senders = (guest: try PacketSocket(site.guest, "eth0"), network: try PacketSocket(site.router, "net0"))
            let (other, network) = (try PacketSocket(site.other, "eth0"), try PacketSocket(site.router, "net0"))
            let reader = try site.bulkhead.drops()
            var seen = 0
            for (index, attack) in Attacks.all.enumerated() {
                let isGuest = attack.sender == .guest
                let sender = isGuest ? senders.guest : senders.network
                let forged = attack.frame.tagged(tags)
                let honest = Self.honest(UInt16(20000 + index), from: attack.sender).tagged(tags)
                try sender.send(forged)
                try sender.send(honest)
                // Frames stay in order, so everything before the honest one has arrived.
                try Self.expect(honest, without: forged, at: other, attack.description)
                if isGuest { try Self.expect(honest, without: forged, at: network, attack.description) }
                let isComplete = poll(seconds: 5) { Self.lines(reader) >= seen + attack.ports.count }
                let drops = try Drop.all(reader.output).dropFirst(seen)
                seen += drops.count
                #expect(isComplete, "no event: \(attack.description)")
                #expect(drops.map(\.port).sorted() == attack.ports, "\(attack.description)")
                #expect(drops.allSatisfy { $0.reason == attack.reason }, "\(attack.description): \(drops)")
                #expect(drops.allSatisfy { $0.vlan.map(UInt16.init) == tags.first })
            }
            #expect(try Drop.all(try reader.interrupt().output).count == seen)
            let counters = try site.bulkhead.counters()
            #expect(counters.dropped == seen)
            counters.expectExactAccounting()
        }

        /// A frame to everyone, from the same place as the attack.
        private static func honest(_ port: UInt16, from sender: Attacks.Sender) -> Frame {
            let source: IPAddress = sender == .guest ? GuestSite.guest(.v4) : "203.0.113.9"
            let mac = sender == .guest ? GuestSite.macs.guest : GuestSite.macs.router
            return Frame(Datagram(source, "255.255.255.255", .udp(port, 9)), from: mac, to: "ff:ff:ff:ff:ff:ff")
        }

        private static func expect(
            _ honest: Frame, without forged: Frame, at socket: PacketSocket, _ description: String
        ) throws {
            while let frame = try socket.receiveFrame(milliseconds: 5000) {
                #expect(frame != forged, "it has arrived: \(description)")
                if frame == honest { return }
            }
            Issue.record("the honest frame after it has not arrived: \(description)")
        }

        private static func lines(_ command: Command) -> Int { command.output.utf8.count { $0 == 10 } }
    }
}
