// SPDX-License-Identifier: Apache-2.0
import Network
import Reference
import Simulation
import TestSupport
import Wire

/// Frames that a guest sends with a vnet header: what the kernel makes of them must be what was judged.
extension Fuzzer {
    /// A frame as a hook sees it: its outer tag stands beside it.
    private struct Seen {
        var bytes: [UInt8]
        var tag: UInt16?

        init(_ frame: [UInt8]) {
            bytes = frame
            guard frame.count >= 18, [[0x81, 0], [0x88, 0xa8]].contains(Array(frame[12..<14])) else { return }
            tag = UInt16(frame[14]) << 8 | UInt16(frame[15])
            bytes.removeSubrange(12..<16)
        }

        func packet(_ segments: Int = 1, cut: ReferenceOffload.Cut? = nil) -> Packet {
            var packet = PacketParser.parse(bytes, frameLength: bytes.count, metadataVLAN: tag, segments: segments)
            if cut == .fragments, packet.refusal == nil, packet.family != nil, segments > 1 {
                // Each fragment has what is before the UDP header (RFC 791), in IPv6 also a fragment header (RFC 8200).
                let header = packet.family == .v6 ? 8 : 0
                packet.wireBytes = packet.length + (segments - 1) * packet.l4Offset + segments * header
            }
            return packet
        }

        /// How many packets the kernel cuts it into, and whether it surely does. It may take what is no longer than a
        /// segment for no super-packet, and what it finds in tunnels is not known here.
        func segments(_ offload: ReferenceOffload) -> (count: Int, isSure: Bool) {
            let packet = packet()
            guard offload.cut != nil, offload.size > 0 else { return (1, true) }
            let hasSegments = packet.hasL4 && [6, 17].contains(packet.ipProtocol)
            let udp = offload.cut == .fragments ? 0 : 8
            let transport = !hasSegments ? 0 : packet.ipProtocol == 17 ? udp : Int(bytes[packet.l4Offset + 12] >> 4) * 4
            let start = packet.family == nil ? packet.l3Offset : packet.l4Offset
            let payload = bytes.count - start - transport
            // The kernel counts the headers that the type stands for, whatever the packet has: at most IPv6's and
            // TCP's. A checksum that is left open tells it where the transport header starts.
            let least = bytes.count - max(packet.l3Offset + 60, offload.start ?? 0) - 20
            return (max(1, (payload + offload.size - 1) / offload.size), hasSegments && least > offload.size)
        }
    }

    /// What the kernel and the references say otherwise; nil where they agree.
    mutating func judge(_ frame: [UInt8], sentBy taps: FuzzTaps) throws -> String? {
        let whole = PacketParser.parse(frame, frameLength: frame.count)
        let header = VnetHeader.draw(for: whole, frame, &random)
        let seen = Seen(frame)
        let record = image.portRecord(entry: port.entry, protects: port.protects)
        let found = try simulator.judge(length: seen.bytes.count, portRecord: record, hook: .tcIngress) {
            taps.send(frame, header)
        }
        let frames = taps.receive()
        guard let found else {
            counts["refused by the kernel", default: 0] += 1
            return frames.isEmpty ? nil : report(frame, header, "no verdict, and \(frames.count) frames")
        }
        sent += 1
        arrived += frames.count
        counts["\(found.verdict.rawValue) \(found.reason?.rawValue ?? "-")", default: 0] += 1
        let offload = header.offload(moved: frame.count - seen.bytes.count)
        let segments = seen.segments(offload)
        var ways = [(offload, segments.count)]
        if !segments.isSure {
            var plain = offload
            plain.cut = nil
            // How much of a limit it takes depends on that.
            ways.insert((plain, 1), at: found.packet.segments > 1 ? 1 : 0)
        }
        var said = ""
        for (way, count) in ways {
            let packet = seen.packet(count, cut: way.cut)
            let expected = expect(found, of: packet, seen, way)
            if let expected {
                said += "\n  reference: \(expected)\n  reference: \(packet)"
                continue
            }
            guard let wrong = wrong(frames, found, of: packet, frame, seen, way) else { return nil }
            said += "\n  \(wrong)"
            break
        }
        return report(
            frame, header,
            "\(found.verdict) \(found.reason?.rawValue ?? "-") #\(found.rule ?? -1)\n  kernel: \(found.packet)" + said)
    }

    /// What the references expect instead of what was found; nil where it is that.
    private mutating func expect(
        _ found: Simulator.Outcome, of parsed: Packet, _ seen: Seen, _ offload: ReferenceOffload
    ) -> Judgement? {
        var packet = parsed
        let quotation = PacketParser.quotation(in: seen.bytes, of: packet)
        if packet.refusal == nil, !offload.isHonest(packet, quoting: quotation) { packet.refusal = .malformed }
        func isFound(_ judgement: Judgement) -> Bool {
            found.verdict == judgement.verdict && found.reason == judgement.reason && found.rule == judgement.rule
        }
        var after = reference
        after.mark(PacketMarks(of: packet, in: seen.bytes, besides: seen.tag))
        let expected = after.judge(
            packet, quoting: quotation, claiming: packet.claim(in: seen.bytes),
            at: .init(scope: port.entry, entry: port.entry, protects: port.protects), direction: direction,
            like: isFound)
        guard isFound(expected), packet.refusal != nil || offload.cut != nil || isRead(found.packet, as: packet) else {
            return expected
        }
        reference = after
        return nil
    }

    /// What is wrong with the frames that came of one.
    private func wrong(
        _ frames: [[UInt8]], _ found: Simulator.Outcome, of packet: Packet, _ frame: [UInt8], _ seen: Seen,
        _ offload: ReferenceOffload
    ) -> String? {
        if found.verdict != .accept {
            return frames.isEmpty ? nil : "passed all the same: \(frames.map { Frame(bytes: $0) })"
        }
        guard offload.cut == nil || packet.segments == 1 else {
            return frames.first { !isSegment($0, of: packet) }.map {
                "a segment is another packet: \(Frame(bytes: $0))"
            }
        }
        guard frames.count <= 1 else { return "several frames: \(frames.map { Frame(bytes: $0) })" }
        guard let got = frames.first.map(Seen.init) else { return nil }
        guard got.tag == seen.tag, got.bytes.count == seen.bytes.count else {
            return "another frame: \(Frame(bytes: got.bytes))"
        }
        let changed = got.bytes.indices.filter { got.bytes[$0] != seen.bytes[$0] }
        let isAllowed = offload.start != nil && changed.allSatisfy { offload.mayChange($0, of: packet) }
        return changed.isEmpty || isAllowed ? nil : "changed at \(changed): \(Frame(bytes: got.bytes))"
    }

    /// Whether a segment has the headers that were judged.
    private func isSegment(_ frame: [UInt8], of whole: Packet) -> Bool {
        let part = Seen(frame).packet()
        guard part.refusal == nil, part.family != nil else { return whole.family == nil }
        return part.source == whole.source && part.destination == whole.destination
            && part.sourceMAC == whole.sourceMAC && part.destinationMAC == whole.destinationMAC
            && part.outerVLAN == whole.outerVLAN && part.ipProtocol == whole.ipProtocol
            && part.tcpFlags & ~whole.tcpFlags == 0
            && (part.fragment == .later
                || part.sourcePort == whole.sourcePort && part.destinationPort == whole.destinationPort)
    }

    private func report(_ frame: [UInt8], _ header: VnetHeader, _ text: String) -> String {
        """
        at \(ruleset.entries[port.entry].name) \(direction.rawValue), sent by a tap, \(header):
          \(Frame(bytes: frame))
          kernel: \(text)
        """
    }
}
