// SPDX-License-Identifier: Apache-2.0

/// A TCP segment, as one host hands it to another.
public struct TCPSegment: Sendable, Hashable {
    public struct Flags: OptionSet, Sendable, Hashable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        public static let fin = Flags(rawValue: 1)
        public static let syn = Flags(rawValue: 2)
        public static let rst = Flags(rawValue: 4)
        public static let psh = Flags(rawValue: 8)
        public static let ack = Flags(rawValue: 16)
    }

    public var flags: Flags
    public var sequence: UInt32
    public var acknowledgement: UInt32
    /// As the header has it, not scaled.
    public var window: UInt16
    /// Bytes of data.
    public var payload: Int
    /// RFC 7323, of a SYN.
    public var scale: UInt8?
    /// RFC 2018: the edges of what has arrived out of order.
    public var selective: [Edges] = []

    public struct Edges: Sendable, Hashable {
        public var left: UInt32
        public var right: UInt32
    }

    public init(
        _ flags: Flags, sequence: UInt32, acknowledgement: UInt32 = 0, window: UInt16 = 0, payload: Int = 0,
        scale: UInt8? = nil
    ) {
        self.flags = flags
        self.sequence = sequence
        self.acknowledgement = acknowledgement
        self.window = window
        self.payload = payload
        self.scale = scale
    }

    /// What it takes of the sequence space (SEG.LEN).
    public var length: Int { payload + (flags.contains(.syn) ? 1 : 0) + (flags.contains(.fin) ? 1 : 0) }

    /// A SYN that acknowledges nothing.
    public var isOpening: Bool { flags.intersection([.syn, .ack, .rst, .fin]) == .syn }

    /// The options as bytes, padded.
    public var options: [UInt8] {
        var bytes: [UInt8] = scale.map { [3, 3, $0, 1] } ?? []
        if !selective.isEmpty {
            bytes += [1, 1, 5, UInt8(2 + 8 * selective.count)]
            for edges in selective {
                for number in [edges.left, edges.right] {
                    bytes += (0..<4).reversed().map { UInt8(truncatingIfNeeded: number >> UInt32(8 * $0)) }
                }
            }
        }
        return bytes
    }
}
