// SPDX-License-Identifier: Apache-2.0
import Network
import Reference
import TestSupport
import Wire

/// What a guest says with a frame of what it leaves to the host: `struct virtio_net_hdr` (virtio 1.2, 5.1.6).
public struct VnetHeader: Sendable, Hashable, CustomStringConvertible {
    private static let needsChecksum: UInt8 = 1

    public var flags: UInt8 = 0
    /// 0: no super-packet.
    public var type: UInt8 = 0
    public var headerLength: UInt16 = 0
    public var size: UInt16 = 0
    public var start: UInt16 = 0
    public var offset: UInt16 = 0

    public init() {}

    /// One of a packet whose checksum is left open.
    public init(start: Int, offset: Int) {
        flags = Self.needsChecksum
        self.start = UInt16(clamping: start)
        self.offset = UInt16(clamping: offset)
    }

    /// In the order of a machine that is little-endian.
    var bytes: [UInt8] {
        [flags, type]
            + [headerLength, size, start, offset].flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
    }

    public var description: String {
        "flags \(flags), type \(type), headers \(headerLength), size \(size), sum from \(start) at +\(offset)"
    }

    var hasChecksum: Bool { flags & Self.needsChecksum != 0 }

    /// What that leaves to the kernel. `moved`: how much nearer the frame's start everything stands for the programs,
    /// because the kernel took a tag out of it.
    func offload(moved: Int) -> ReferenceOffload {
        let place = Int(start) - moved
        // With the tag the kernel pulls off all that stands before the next header. It forgets a checksum that was to
        // start there (skb_postpull_rcsum). Newer kernels refuse such a frame when it is sent.
        let isForgotten = moved > 0 && place < Self.ethernetHeader
        return ReferenceOffload(
            start: hasChecksum && !isForgotten ? place : nil, offset: Int(offset), cut: cut, size: Int(size))
    }

    private static let ethernetHeader = 14

    private var cut: ReferenceOffload.Cut? {
        // Bit 7: the super-packet has a mark of congestion.
        switch type & 0x7f {
        case 1: .tcp(.v4)
        case 3: .fragments
        case 4: .tcp(.v6)
        case 5: .datagrams
        default: nil
        }
    }

    /// One that fits the packet, or nearly.
    ///
    /// - Parameter packet: as it stands in the frame.
    static func draw(for packet: Packet, _ frame: [UInt8], _ random: inout RandomNumbers) -> VnetHeader {
        var header = VnetHeader()
        let fitting = [6: 16, 17: 6, 132: 8, 47: 4, 58: 2, 1: 2][Int(packet.ipProtocol)] ?? 0
        let l4 = packet.l4Offset
        if !random.once(in: 8) {
            header.flags = 1
            let starts = [packet.l3Offset, l4 - 2, l4 + 2, l4 + 4, l4 + 8, l4 + 28, l4 + 48, 0, 14, frame.count - 2]
            let start = random.once(in: 2) ? l4 : random.pick(starts + [l4, random.number(0...frame.count)])
            header.start = UInt16(clamping: start)
            let offsets = [0, 2, 4, 6, 8, 12, 16, random.number(0...60)]
            header.offset = UInt16(clamping: random.once(in: 2) ? fitting : random.pick(offsets))
        }
        if random.once(in: 16) { header.flags |= random.pick([2, 4, 0x80]) }
        if random.once(in: 3) {
            let types: [UInt8] = [1, 3, 4, 5]
            let own: UInt8 = packet.ipProtocol == 17 ? random.pick([3, 5]) : packet.family == .v6 ? 4 : 1
            header.type = random.once(in: 2) ? own : random.pick(types)
            if random.once(in: 8) { header.type |= 0x80 }
            header.size = random.pick([1, 4, 7, 8, 12, 16, 40, 64, 100, 104, 200, 536, 1000, 1400, 0, 65535])
            let length = random.pick([l4 + 20, l4 + 8, l4, 0, 14, frame.count])
            header.headerLength = UInt16(clamping: length)
        }
        return header
    }
}
