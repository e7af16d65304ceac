// SPDX-License-Identifier: Apache-2.0
import CTestSupport
import Glibc
import Network

/// The TCP segments that a namespace takes for its own, whether or not anybody listens there.
public final class SegmentSocket: Socket, @unchecked Sendable {
    private let family: AddressFamily

    /// - Parameter address: Of the namespace; segments to others are not seen.
    public init(_ namespace: Namespace, _ address: IPAddress) throws(SocketFailure) {
        family = address.family
        let domain = family == .v4 ? AF_INET : AF_INET6
        try super.init(
            unsafe lab_socket(namespace.path, domain, Int32(SOCK_RAW.rawValue), Int32(IPPROTO_TCP)), "raw socket")
        _ = try SocketFailure.check(Int(unsafe lab_bind(descriptor, "\(address)", 0)), "bind")
    }

    /// Whether a segment comes that opens a connection between these ports.
    public func hears(from source: UInt16, to destination: UInt16, milliseconds: Int32) throws(SocketFailure) -> Bool {
        let deadline = ContinuousClock.now + .milliseconds(Int64(milliseconds))
        repeat {
            let left = max((deadline - .now) / .milliseconds(1), 1)
            guard let bytes = try receive(2048, milliseconds: Int32(left)) else { return false }
            // A raw socket of IPv4 has the IP header too.
            let segment = bytes.dropFirst(family == .v4 ? Int(bytes.first ?? 0) % 16 * 4 : 0)
            guard segment.count >= 14 else { continue }
            let header = segment.prefix(14).map { UInt16($0) }
            let ports = (header[0] << 8 | header[1], header[2] << 8 | header[3])
            if ports == (source, destination), header[13] & 0x12 == 0x02 { return true }
        } while ContinuousClock.now < deadline
        return false
    }
}
