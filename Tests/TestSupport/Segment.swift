// SPDX-License-Identifier: Apache-2.0
import Network

/// The payload of an IP packet: an L4 header and its data. The checksum is set once the packet is known.
public struct Segment: Sendable, Hashable {
    /// IP protocol number.
    public var number: UInt8
    public var bytes: [UInt8]
    private var checksum: Checksum = .none

    private enum Checksum: Hashable {
        case none
        /// Over the bytes alone, written at this offset.
        case plain(Int)
        /// Over the bytes and the pseudo header, written at this offset.
        case pseudo(Int)
        /// CRC-32C at offset 8.
        case castagnoli
    }

    /// Bytes of any protocol, unchanged.
    public init(number: UInt8, bytes: [UInt8] = []) {
        self.number = number
        self.bytes = bytes
    }

    private init(_ number: UInt8, _ bytes: [UInt8], _ checksum: Checksum) {
        self.init(number: number, bytes: bytes)
        self.checksum = checksum
    }

    public enum TCPFlag {
        public static let fin: UInt8 = 1
        public static let syn: UInt8 = 2
        public static let rst: UInt8 = 4
        public static let psh: UInt8 = 8
        public static let ack: UInt8 = 16
    }

    /// `dataOffset`: The value of the header length field, in 32-bit words; nil is the true one.
    public static func tcp(
        _ source: UInt16 = 40000, _ destination: UInt16 = 80, flags: UInt8 = TCPFlag.syn, sequence: UInt32 = 1,
        acknowledgement: UInt32 = 0, window: UInt16 = 65535, options: [UInt8] = [], payload: [UInt8] = [],
        dataOffset: UInt8? = nil
    ) -> Segment {
        var bytes: [UInt8] = []
        bytes.append(big: source)
        bytes.append(big: destination)
        bytes.append(big: sequence)
        bytes.append(big: acknowledgement)
        bytes += [(dataOffset ?? UInt8(5 + options.count / 4)) << 4, flags]
        bytes.append(big: window)
        bytes.append(big: UInt32(0))
        return Segment(6, bytes + options + payload, .pseudo(16))
    }

    /// `length`: The value of the length field; nil is the true one.
    public static func udp(
        _ source: UInt16 = 40000, _ destination: UInt16 = 53, payload: [UInt8] = [], length: UInt16? = nil
    ) -> Segment {
        var bytes: [UInt8] = []
        bytes.append(big: source)
        bytes.append(big: destination)
        bytes.append(big: length ?? UInt16(8 + payload.count))
        bytes.append(big: UInt16(0))
        return Segment(17, bytes + payload, .pseudo(6))
    }

    public static func sctp(
        _ source: UInt16 = 40000, _ destination: UInt16 = 3868, chunks: [UInt8] = [1, 0, 0, 4]
    ) -> Segment {
        var bytes: [UInt8] = []
        bytes.append(big: source)
        bytes.append(big: destination)
        bytes.append(big: UInt64(0))
        return Segment(132, bytes + chunks, .castagnoli)
    }

    public static func icmp(_ type: UInt8 = 8, _ code: UInt8 = 0, body: [UInt8] = [0, 1, 0, 1]) -> Segment {
        Segment(1, [type, code, 0, 0] + body, .plain(2))
    }

    public static func icmpv6(_ type: UInt8 = 128, _ code: UInt8 = 0, body: [UInt8] = [0, 1, 0, 1]) -> Segment {
        Segment(58, [type, code, 0, 0] + body, .pseudo(2))
    }

    /// An echo request of the family.
    public static func ping(_ family: AddressFamily) -> Segment { family == .v4 ? icmp() : icmpv6() }

    /// The bytes with the checksum for a packet between these addresses.
    func checksummed(from source: IPAddress, to destination: IPAddress) -> [UInt8] {
        var result = bytes
        switch checksum {
        case .none: break
        case .plain(let place): result.put(internetChecksum(bytes), at: place)
        case .castagnoli: result.put(castagnoli(bytes), at: 8)
        case .pseudo(let place):
            var pseudo = source.bytes + destination.bytes
            pseudo.append(big: UInt32(bytes.count))
            pseudo.append(big: UInt32(number))
            let sum = internetChecksum(pseudo + bytes)
            result.put(sum == 0 && number == 17 ? UInt16.max : sum, at: place)
        }
        return result
    }
}
