// SPDX-License-Identifier: Apache-2.0
import Capture
import Network
import Policy
import TestSupport
import Testing
import Wire

@testable import Commands
@testable import Compiler
@testable import Control
@testable import Datapath
@testable import Rendering

private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

private func event(
    _ packet: Packet, rule: String? = nil, note: RuleNote? = nil, header: [UInt8] = []
) -> Event {
    let place = SourceLocation(file: "policy.yaml", line: 28, column: 0)
    let decided = rule.map {
        ImageView.RuleRecord(
            name: $0, location: place, action: .drop, log: true, isStateless: false, isLimited: false,
            asksMembers: false, counter: 0, number: 0, term: 0, note: note)
    }
    return Event(
        time: 1_767_323_045_000_001_000, port: Port(name: "db-1", interface: "tap-db1", protects: .workload),
        direction: .in, verdict: .drop, reason: rule == nil ? .default : .rule, rule: decided, source: place,
        generation: 3, packet: packet, header: header)
}

private func packet(_ change: (inout Packet) throws -> Void) rethrows -> Packet {
    var packet = Packet()
    packet.length = 74
    packet.sourceMAC = MACAddress(0x5254_0000_0001)
    packet.destinationMAC = MACAddress(0x5254_0000_0002)
    packet.etherType = 0x0800
    try change(&packet)
    return packet
}

private func tcp() throws -> Packet {
    try packet {
        $0.source = try address("203.0.113.9")
        $0.destination = try address("198.51.100.20")
        $0.ipProtocol = 6
        $0.hasL4 = true
        $0.sourcePort = 40000
        $0.destinationPort = 22
        $0.tcpFlags = 2
    }
}

@Suite struct EventWordsTests {
    @Test func rendersTheContractsFields() throws {
        let words = EventWords(event(try tcp(), rule: "bad-networks"))
        #expect(
            "\(words.json)" == """
                {"time": "2026-01-02T03:04:05.000001Z", "port": "db-1", "interface": "tap-db1", "netns": null, \
                "direction": "in", \
                "verdict": "drop", "reason": "rule", "rule": "bad-networks", "layer": null, \
                "tag": null, "source": "policy.yaml:28", \
                "generation": 3, \
                "srcMac": "52:54:00:00:00:01", "dstMac": "52:54:00:00:00:02", "etherType": 2048, "vlan": null, \
                "src": "203.0.113.9", "dst": "198.51.100.20", "protocol": "tcp", "sport": 40000, "dport": 22, \
                "tcpFlags": "S", "icmpType": null, "icmpCode": null, "length": 74, "comment": null, "meta": null}
                """)
    }

    @Test func whatAPacketDoesNotHaveIsNull() {
        let fields = EventWords(
            event(
                packet {
                    $0.etherType = 0
                    $0.vlanTags = 1
                    $0.outerVLAN = 0
                })
        ).json
        for name in [
            "etherType", "src", "dst", "protocol", "sport", "dport", "tcpFlags", "icmpType", "icmpCode", "rule",
        ] {
            #expect(fields[name] == .null, "\(name)")
        }
        #expect(fields["vlan"] == .counter(0))
        let runt = EventWords(event(packet { $0.length = 5 })).json
        #expect(runt["srcMac"] == .null)
        #expect(runt["dstMac"] == .null)
    }

    @Test func theLineForPeople() throws {
        let line = EventWords(event(try tcp())).line(.plain, now: 1_767_323_045_000_000_000).text
        #expect(
            line.dropFirst(12)
                == " DROP in db-1(tap-db1) tcp 203.0.113.9:40000 > 198.51.100.20:22 S  default  policy.yaml:28")
    }

    /// As in the time zone of whoever reads it.
    @Test func anotherDaysEventHasItsDate() throws {
        let words = EventWords(event(try tcp()))
        let day: UInt64 = 86_400_000_000_000
        let clock = words.line(.plain, now: words.event.time).text.prefix(12)
        #expect(clock.contains(/^\d\d:\d\d:05\.000$/))
        for now in [words.event.time + day, words.event.time - day, words.event.time + 365 * day] {
            let line = words.line(.plain, now: now).text
            #expect(line.contains(/^2026-01-0[123]\s/))
            #expect(line.dropFirst(11).hasPrefix(clock))
        }
    }

    @Test func aCaptureSaysWhatDecided() throws {
        let rule = EventWords(event(try tcp(), rule: "bad-networks"))
        #expect(
            rule.comment.text
                == "drop in at db-1: reason rule, rule bad-networks, policy.yaml:28, generation 3")
        #expect(
            EventWords(event(try tcp())).comment.text
                == "drop in at db-1: reason default, policy.yaml:28, generation 3")
        var gone = event(try tcp())
        gone.port = nil
        gone.source = nil
        #expect(EventWords(gone).comment.text == "drop in at a port that is gone: reason default, generation 3")
        // To a guest, what comes in is sent by its device.
        #expect(rule.event.captureDirection == .outbound)
        #expect(rule.event.captureInterface == CaptureInterface(name: "tap-db1", description: "port db-1"))
        #expect(gone.captureDirection == nil)
    }

    @Test func showsWhatIsWrittenAtTheRule() throws {
        let note = RuleNote(comment: "until the move", meta: [.init(key: "owner", value: "ops")])
        let words = EventWords(event(try tcp(), rule: "bad-networks", note: note))
        #expect(
            words.line(.plain, now: 1_767_323_045_000_000_000).text.hasSuffix(
                "rule bad-networks  policy.yaml:28  # until the move (owner: ops)"))
        #expect(words.json["comment"] == "until the move")
        #expect(words.json["meta"] == ["owner": "ops"])
    }

    @Test(
        arguments: [
            (0, ""), (1, "F"), (2, "S"), (0x12, "SA"), (0x29, "FPU"), (0xff, "FSRPAUEC"), (0x14, "RA"),
        ] as [(UInt8, String)])
    func tcpFlagsAreLettersInTheOrderOfTheirBits(flags: UInt8, letters: String) throws {
        var packet = try tcp()
        packet.tcpFlags = flags
        #expect(PacketWords(packet).tcpFlags == letters)
    }

    @Test(
        arguments: [
            (6, "tcp"), (17, "udp"), (132, "sctp"), (1, "icmp"), (58, "proto/58"), (47, "proto/47"), (0, "proto/0"),
        ] as [(UInt8, String)])
    func protocolsAreCalledAsInAPolicy(number: UInt8, name: String) throws {
        var packet = try tcp()
        packet.ipProtocol = number
        #expect(PacketWords(packet).protocolName == name)
    }

    @Test func phrasesOfOtherFrames() throws {
        let icmp = try packet {
            $0.source = try address("2001:db8::1")
            $0.destination = try address("2001:db8::2")
            $0.ipProtocol = 58
            $0.hasL4 = true
            $0.type = 128
            $0.vlanTags = 1
            $0.outerVLAN = 10
        }
        #expect(PacketWords(icmp).phrase == "vlan 10 icmpv6 2001:db8::1 > 2001:db8::2 type 128 code 0")
        let arp = packet {
            $0.etherType = 0x0806
            $0.isARP = true
        }
        #expect(PacketWords(arp).phrase == "arp 52:54:00:00:00:01 > 52:54:00:00:00:02")
        #expect(PacketWords(packet { $0.etherType = 0x88cc }).phrase.hasPrefix("ethertype/0x88cc 52:54"))
        #expect(PacketWords(packet { $0.length = 5 }).phrase == "frame of 5 bytes")
    }
}

@Suite struct EventCaptureTests {
    private let macs = [UInt8](repeating: 2, count: 12)

    @Test func putsATagOfTheMetadataBackIntoTheFrame() {
        let tagged = packet {
            $0.vlanTags = 1
            $0.outerVLAN = 0x123
        }
        let frame = event(tagged, header: macs + [8, 0, 0x45]).frame
        #expect(frame.bytes == macs + [0x81, 0, 1, 0x23, 8, 0, 0x45])
        #expect(frame.time == 1_767_323_045_000_001_000)
        let inFrame = event(tagged, header: macs + [0x81, 0, 1, 0x23, 8, 0]).frame
        #expect(inFrame.bytes == macs + [0x81, 0, 1, 0x23, 8, 0])
        // A tag of VLAN 0 in metadata is skipped; the one in the frame is the outer tag.
        let priority = packet {
            $0.vlanTags = 2
            $0.outerVLAN = 0x123
        }
        let both = event(priority, header: macs + [0x81, 0, 1, 0x23, 8, 0]).frame
        #expect(both.bytes == macs + [0x81, 0, 0, 0, 0x81, 0, 1, 0x23, 8, 0])
    }

    @Test func keepsTheLengthOnTheWire() throws {
        let frame = event(try tcp(), header: macs + [8, 0]).frame
        #expect(frame.bytes.count == 14)
        #expect(frame.originalLength == 74)
    }
}
