// SPDX-License-Identifier: Apache-2.0
import CTestSupport
import Glibc
import Network

/// A socket operation that the kernel refused.
public struct SocketFailure: Error, CustomStringConvertible {
    public var operation: String
    public var errno: Int32

    public var description: String { "\(operation): \(unsafe String(cString: strerror(errno)))" }

    static func check(_ result: Int, _ operation: String) throws(SocketFailure) -> Int {
        if result < 0 { throw SocketFailure(operation: operation, errno: Int32(-result)) }
        return result
    }
}

/// A descriptor that is closed with its owner. It never changes, so threads may share it.
public class Socket: @unchecked Sendable {
    public let descriptor: Int32

    init(_ result: Int32, _ operation: String) throws(SocketFailure) {
        descriptor = Int32(try SocketFailure.check(Int(result), operation))
    }

    deinit { close(descriptor) }

    /// The data received; empty at the end of a stream, nil after a timeout.
    public func receive(_ limit: Int = 65_536, milliseconds: Int32 = 1000) throws(SocketFailure) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = unsafe lab_receive(descriptor, &buffer, limit, milliseconds)
        if count == -Int(EAGAIN) { return nil }
        return Array(buffer.prefix(try SocketFailure.check(count, "receive")))
    }

    /// The number of datagrams or reads of a stream until none came for `quiet` milliseconds.
    public func count(quiet: Int32 = 100) throws(SocketFailure) -> Int {
        var count = 0
        while let bytes = try receive(milliseconds: quiet), !bytes.isEmpty { count += 1 }
        return count
    }

    public func send(_ bytes: [UInt8], milliseconds: Int32 = 1000) throws(SocketFailure) {
        _ = try SocketFailure.check(unsafe lab_send(descriptor, bytes, bytes.count, milliseconds), "send")
    }
}

/// A packet socket for whole frames of one interface.
public final class PacketSocket: Socket, @unchecked Sendable {
    public init(_ namespace: Namespace, _ interface: String) throws(SocketFailure) {
        try super.init(unsafe lab_packet_open(namespace.path, interface), "packet socket on \(interface)")
    }

    public func send(_ frame: Frame) throws(SocketFailure) { try send(frame.bytes) }

    /// Sends frames with a virtio header that says what is left to do.
    public func takeOffloads() throws(SocketFailure) {
        _ = try SocketFailure.check(Int(lab_packet_offload(descriptor)), "PACKET_VNET_HDR")
    }

    public func send(_ frame: Frame, _ offload: Offload) throws(SocketFailure) {
        try send(offload.bytes + frame.bytes)
    }

    /// Sends copies of a frame, at least one per turn, from memory that it keeps changing: the two bytes at `place` are
    /// the frame's or `other`.
    public static func race(
        _ namespace: Namespace, _ interface: String, _ frame: Frame, place: Int, other: UInt16, turns: Int
    ) throws(SocketFailure) {
        let result = unsafe lab_packet_race(
            namespace.path, interface, frame.bytes, frame.bytes.count, place, other, UInt32(turns))
        _ = try SocketFailure.check(Int(result), "send from a ring")
    }

    /// The next frame, with its VLAN tag in place; nil after a timeout.
    public func receiveFrame(milliseconds: Int32 = 300) throws(SocketFailure) -> Frame? {
        var buffer = [UInt8](repeating: 0, count: 70_000)
        let count = unsafe lab_packet_receive(descriptor, &buffer, buffer.count, milliseconds)
        return try SocketFailure.check(count, "receive") == 0 ? nil : Frame(bytes: Array(buffer.prefix(count)))
    }

    /// All frames of this sender until none came for `quiet` milliseconds. The kernel sends frames of its own, so tests
    /// that count give theirs a distinct source.
    public func receiveAll(
        from source: MACAddress = Frame.guest, quiet: Int32 = 100
    ) throws(SocketFailure) -> [Frame] {
        var frames: [Frame] = []
        while let frame = try receiveFrame(milliseconds: quiet) {
            if Array(frame.bytes.dropFirst(6).prefix(6)) == source.bytes { frames.append(frame) }
        }
        return frames
    }
}

/// What a sender leaves to the kernel, as a virtio header says it.
public struct Offload: Sendable, Hashable {
    public enum Kind: UInt8, Sendable {
        case tcp4 = 1
        /// One UDP datagram, to be sent in IP fragments.
        case fragments = 3
        case tcp6 = 4
        /// Several UDP datagrams in one super-packet.
        case datagrams = 5
    }

    /// Where in the frame the checksum starts, and how far from there it is written.
    public var checksum: (start: Int, offset: Int)? {
        get { start.map { ($0, offset) } }
        set {
            start = newValue?.start
            offset = newValue?.offset ?? 0
        }
    }
    private var start: Int?
    private var offset = 0
    private var kind: Kind?
    private var size = 0
    private var headers = 0

    public init(checksum: (start: Int, offset: Int)? = nil) { self.checksum = checksum }

    /// A super-packet whose segments have `size` bytes of payload each. `headers` is the length of its headers that it
    /// states.
    public init(checksum: (start: Int, offset: Int)? = nil, _ kind: Kind, size: Int, headers: Int = 0) {
        self.init(checksum: checksum)
        self.kind = kind
        self.size = size
        self.headers = headers
    }

    /// `struct virtio_net_hdr`, in little-endian order.
    var bytes: [UInt8] {
        var bytes: [UInt8] = [start == nil ? 0 : 1, kind?.rawValue ?? 0]
        for number in [headers, size, start ?? 0, offset] {
            bytes += [UInt8(truncatingIfNeeded: number), UInt8(truncatingIfNeeded: number >> 8)]
        }
        return bytes
    }
}

/// A tap as seen by its owner, a guest: what it writes comes out of the device, and the other way round. The device
/// goes with this object.
public final class Tap: Socket, @unchecked Sendable {
    private let offloads: Bool

    /// - Parameter offloads: Whether frames have a virtio header.
    public init(_ namespace: Namespace, _ interface: String, offloads: Bool) throws(SocketFailure) {
        self.offloads = offloads
        // If taps are a module, the kernel creates the device file when the module is loaded.
        if unsafe access("/dev/net/tun", F_OK) != 0 { _ = try? Shell.run(["modprobe", "tun"]) }
        try super.init(unsafe lab_tap_open(namespace.path, interface, offloads ? 1 : 0), "tap \(interface)")
    }

    /// The guest's side of an existing macvtap: a device file whose number only the /sys of its namespace shows.
    public init(macvtap interface: String, in namespace: Namespace) throws {
        offloads = true
        let number = try Shell.check(
            "ip", "netns", "exec", namespace.name, "sh", "-c", "cat /sys/class/net/\(interface)/macvtap/tap*/dev"
        ).split { $0 == ":" || $0 == "\n" }.map(String.init)
        let path = "/dev/\(namespace.name)-\(interface)"
        try Shell.check("mknod", path, "c", number[0], number[1])
        defer { _ = unsafe unlink(path) }
        let result = unsafe open(path, O_RDWR | O_CLOEXEC)
        try super.init(result < 0 ? -errno : result, "macvtap \(interface)")
    }

    public func send(_ frame: Frame, _ offload: Offload = Offload()) throws(SocketFailure) {
        try write((offloads ? offload.bytes : []) + frame.bytes)
    }

    /// Whether this kernel knows super-packets of UDP datagrams in vnet headers, as Linux does from 6.2 on. Older ones
    /// refuse such a frame themselves.
    public func knowsDatagrams() throws(SocketFailure) -> Bool {
        try SocketFailure.check(Int(lab_tap_knows_datagrams(descriptor)), "TUNSETOFFLOAD") == 1
    }

    /// A frame with its vnet header, if it has one: a tap takes it by one write.
    public func write(_ bytes: [UInt8]) throws(SocketFailure) {
        let count = unsafe Glibc.write(descriptor, bytes, bytes.count)
        guard count == bytes.count else { throw SocketFailure(operation: "write to the tap", errno: errno) }
    }

    /// The frames that are there now, each with its vnet header if the tap has them.
    public func readAll() -> [[UInt8]] {
        var frames: [[UInt8]] = []
        var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while unsafe poll(&wait, 1, 0) > 0 {
            let frame = unsafe [UInt8](unsafeUninitializedCapacity: 70_000) { buffer, count in
                count = max(unsafe read(descriptor, buffer.baseAddress, buffer.count), 0)
            }
            if frame.isEmpty { break }
            frames.append(frame)
        }
        return frames
    }

    /// Every frame of this sender that comes until `last` has come, which is not among them; nil where none comes for a
    /// second before.
    public func receiveAll(from source: MACAddress = Frame.guest, upTo last: Frame) throws(SocketFailure) -> [Frame]? {
        var frames: [Frame] = []
        var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while unsafe poll(&wait, 1, 1000) > 0 {
            var buffer = [UInt8](repeating: 0, count: 70_000)
            let count = unsafe read(descriptor, &buffer, buffer.count)
            guard count >= 0 else { throw SocketFailure(operation: "read from the tap", errno: errno) }
            let frame = Frame(bytes: Array(buffer.prefix(count).dropFirst(offloads ? 10 : 0)))
            if frame == last { return frames }
            if Array(frame.bytes.dropFirst(6).prefix(6)) == source.bytes { frames.append(frame) }
        }
        return nil
    }
}

/// A TCP or UDP socket inside a namespace.
public final class IPSocket: Socket, @unchecked Sendable {
    public enum Kind: Sendable {
        case tcp
        case udp
    }

    private init(_ namespace: Namespace, _ kind: Kind, _ family: AddressFamily) throws(SocketFailure) {
        let type = kind == .tcp ? SOCK_STREAM : SOCK_DGRAM
        try super.init(
            unsafe lab_socket(namespace.path, family == .v4 ? AF_INET : AF_INET6, Int32(type.rawValue), 0), "socket")
    }

    private init(accepted result: Int32) throws(SocketFailure) { try super.init(result, "accept") }

    /// A bound socket; a TCP socket listens.
    public static func bound(
        _ namespace: Namespace, _ kind: Kind, _ address: IPAddress, _ port: UInt16
    ) throws(SocketFailure) -> IPSocket {
        let socket = try IPSocket(namespace, kind, address.family)
        _ = try SocketFailure.check(Int(unsafe lab_bind(socket.descriptor, "\(address)", port)), "bind")
        if kind == .tcp, listen(socket.descriptor, 64) < 0 { throw SocketFailure(operation: "listen", errno: errno) }
        return socket
    }

    /// Bytes of payload that this TCP socket has sent, retransmissions included.
    public func payloadSent() throws(SocketFailure) -> Int {
        try SocketFailure.check(Int(lab_tcp_sent(descriptor)), "TCP_INFO")
    }

    /// A connected socket; throws ETIMEDOUT if the other end did not answer in time.
    public static func connected(
        _ namespace: Namespace, _ kind: Kind, _ address: IPAddress, _ port: UInt16, from source: UInt16? = nil,
        at own: IPAddress? = nil, milliseconds: Int32 = 2000
    ) throws(SocketFailure) -> IPSocket {
        let socket = try IPSocket(namespace, kind, address.family)
        if source != nil || own != nil {
            let local = own.map { "\($0)" } ?? (address.family == .v4 ? "0.0.0.0" : "::")
            _ = try SocketFailure.check(Int(unsafe lab_bind(socket.descriptor, local, source ?? 0)), "bind")
        }
        let result = unsafe lab_connect(socket.descriptor, "\(address)", port, milliseconds)
        _ = try SocketFailure.check(Int(result), "connect to \(address) port \(port)")
        return socket
    }

    /// A UDP socket's sends become datagrams of `size` bytes each, which the kernel cuts as late as it can.
    public func cutDatagrams(size: Int32) throws(SocketFailure) {
        _ = try SocketFailure.check(Int(lab_udp_segment(descriptor, size)), "UDP_SEGMENT")
    }

    /// Joins a multicast group on an interface.
    public func join(_ group: IPAddress, on interface: String) throws(SocketFailure) {
        _ = try SocketFailure.check(Int(unsafe lab_join(descriptor, "\(group)", interface)), "join \(group)")
    }

    /// Sends `total` bytes, a multiple of 256 KiB, and returns how many of them arrived at the other end.
    public func transfer(_ total: Int, to other: IPSocket) throws -> Int {
        let reading = Background { _ in
            var received = 0
            while received < total, let bytes = try other.receive(1 << 18, milliseconds: 5000), !bytes.isEmpty {
                received += bytes.count
            }
            return received
        }
        let piece = [UInt8](repeating: 7, count: 1 << 18)
        for _ in 0..<total / piece.count { try send(piece, milliseconds: 5000) }
        return try reading.value()
    }

    public func accept(milliseconds: Int32 = 2000) throws(SocketFailure) -> IPSocket {
        try IPSocket(accepted: lab_accept(descriptor, milliseconds))
    }
}
