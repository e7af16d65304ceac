// SPDX-License-Identifier: Apache-2.0
import Network

/// A header between an IP header and L4.
public enum Extension: Sendable, Hashable {
    /// `bytes` long, a multiple of eight.
    case hopByHop(bytes: Int = 8)
    case destination(bytes: Int = 8)
    case routing(type: UInt8 = 4, segmentsLeft: UInt8 = 0, bytes: Int = 24)
    /// `offset` in units of eight bytes.
    case fragment(offset: UInt16 = 0, more: Bool = false, identification: UInt32 = 0x1234)
    /// `bytes` long, a multiple of four, at least eight.
    case authentication(bytes: Int = 24)
    /// A header of any number and content; its first byte is set to the next header's number.
    case raw(number: UInt8, bytes: [UInt8])

    var number: UInt8 {
        switch self {
        case .hopByHop: 0
        case .routing: 43
        case .fragment: 44
        case .authentication: 51
        case .destination: 60
        case .raw(let number, _): number
        }
    }

    func bytes(next: UInt8) -> [UInt8] {
        switch self {
        case .hopByHop(let count), .destination(let count):
            // One PadN option fills the header.
            return [next, UInt8(count / 8 - 1), 1, UInt8(min(count - 4, 255))] + zeros(count - 4)
        case .routing(let type, let segmentsLeft, let count):
            return [next, UInt8(count / 8 - 1), type, segmentsLeft] + zeros(count - 4)
        case .fragment(let offset, let more, let identification):
            var bytes = [next, 0, UInt8(offset >> 5), UInt8(truncatingIfNeeded: offset << 3) | (more ? 1 : 0)]
            bytes.append(big: identification)
            return bytes
        case .authentication(let count):
            return [next, UInt8(count / 4 - 2), 0, 0] + zeros(count - 4)
        case .raw(_, let bytes):
            return [next] + bytes.dropFirst()
        }
    }

    private func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: max(count, 0)) }
}

/// An IPv4 or IPv6 packet. Lengths and checksums are correct unless a test sets them.
public struct Datagram: Sendable, Hashable {
    public struct Fragment: Sendable, Hashable {
        /// In units of eight bytes.
        public var offset: UInt16
        public var more: Bool

        public init(offset: UInt16, more: Bool) {
            self.offset = offset
            self.more = more
        }

        public static let first = Fragment(offset: 0, more: true)
        public static let middle = Fragment(offset: 100, more: true)
        public static let last = Fragment(offset: 200, more: false)
    }

    public var source: IPAddress
    public var destination: IPAddress
    public var segment: Segment
    public var hopLimit: UInt8 = 64
    /// The code point in its upper six bits.
    public var trafficClass: UInt8 = 0
    /// IPv4 options: a multiple of four bytes.
    public var options: [UInt8] = []
    /// Headers before L4. In IPv4 too, where all but AH are just protocols.
    public var extensions: [Extension] = []
    /// The fragment fields: in IPv4 part of the header, in IPv6 a header after `extensions`.
    public var fragment: Fragment?
    /// In IPv4 always present, with the low half of the number; in IPv6 only in fragments.
    public var identification: UInt32 = 0x1234
    /// IPv4's "don't fragment".
    public var dontFragment = false
    /// How many bytes of the segment are in this packet; nil is all.
    public var keep: Int?
    /// The value of IPv4's total length or IPv6's payload length; nil is the true one.
    public var length: Int?
    /// The value of the version field; nil is the true one.
    public var version: UInt8?
    /// The value of IPv4's header length field, in 32-bit words; nil is the true one.
    public var headerWords: UInt8?

    public init(_ source: IPAddress, _ destination: IPAddress, _ segment: Segment) {
        self.source = source
        self.destination = destination
        self.segment = segment
    }

    public init(_ source: IPAddress, _ destination: IPAddress, _ segment: Segment, _ change: (inout Datagram) -> Void) {
        self.init(source, destination, segment)
        change(&self)
    }

    public var family: AddressFamily { source.family }
    public var etherType: UInt16 { family == .v4 ? 0x0800 : 0x86dd }

    public var bytes: [UInt8] { family == .v4 ? v4() : v6() }

    /// This packet as fragments that carry `bytes` (a multiple of eight) of the segment each.
    public func fragments(of bytes: Int) -> [Datagram] {
        let whole = segment.checksummed(from: source, to: destination)
        return stride(from: 0, to: whole.count, by: bytes).map { start in
            let end = min(start + bytes, whole.count)
            return Datagram(source, destination, Segment(number: segment.number, bytes: Array(whole[start..<end]))) {
                $0.hopLimit = hopLimit
                $0.options = options
                $0.extensions = extensions
                $0.identification = identification
                $0.fragment = Fragment(offset: UInt16(start / 8), more: end < whole.count)
            }
        }
    }

    /// The bytes of the headers `all` and the segment, and the protocol number of the first.
    private func body(_ all: [Extension]) -> (first: UInt8, bytes: [UInt8]) {
        var bytes = segment.checksummed(from: source, to: destination)
        if let keep { bytes = Array(bytes.prefix(keep)) }
        var next = segment.number
        for header in all.reversed() {
            bytes = header.bytes(next: next) + bytes
            next = header.number
        }
        return (next, bytes)
    }

    private func v4() -> [UInt8] {
        let (next, body) = body(extensions)
        let headerBytes = 20 + options.count
        var header: [UInt8] = [(version ?? 4) << 4 | (headerWords ?? UInt8(headerBytes / 4)), trafficClass]
        header.append(big: UInt16(truncatingIfNeeded: length ?? headerBytes + body.count))
        header.append(big: UInt16(truncatingIfNeeded: identification))
        let flags: UInt16 = (dontFragment ? 0x4000 : 0) | (fragment?.more == true ? 0x2000 : 0)
        header.append(big: flags | (fragment?.offset ?? 0))
        header += [hopLimit, next, 0, 0]
        header += source.bytes + destination.bytes + options
        header.put(internetChecksum(header), at: 10)
        return header + body
    }

    private func v6() -> [UInt8] {
        var headers = extensions
        if let fragment {
            headers.append(.fragment(offset: fragment.offset, more: fragment.more, identification: identification))
        }
        let (next, body) = body(headers)
        var header: [UInt8] = [(version ?? 6) << 4 | trafficClass >> 4, trafficClass << 4, 0, 0]
        header.append(big: UInt16(truncatingIfNeeded: length ?? body.count))
        header += [next, hopLimit]
        return header + source.bytes + destination.bytes + body
    }
}
