// SPDX-License-Identifier: Apache-2.0
import Glibc
import SystemPackage
import UnixSockets

/// A connection to a server on this host, over a Unix socket that nobody but root, or the agent's own user, could have
/// put in its place.
struct TrustedSocket: ~Copyable {
    private let descriptor: Int32

    /// Connects to the server at a path.
    static func connected(to path: String) throws(EngineError) -> TrustedSocket {
        try TrustedPath.check(path)
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw EngineError("no socket can be made: \(Errno(rawValue: errno))") }
        let socket = TrustedSocket(descriptor: descriptor)
        socket.setTimeout(SO_SNDTIMEO, seconds: 10)
        socket.setTimeout(SO_RCVTIMEO, seconds: 10)
        try socket.connect(to: path)
        // Who made the socket listen: the path says who could have, this says who did.
        guard let user = PeerCredentials(of: descriptor)?.user, user == 0 || user == geteuid() else {
            throw EngineError("\(path) is served by another user, and not by root")
        }
        return socket
    }

    deinit { close(descriptor) }

    private func connect(to path: String) throws(EngineError) {
        guard let address = UnixAddress(path) else { throw EngineError("\(path) is too long for a socket's path") }
        guard address.connect(descriptor) else {
            throw EngineError("nobody answers at \(path): \(Errno(rawValue: errno))")
        }
    }

    private func setTimeout(_ option: Int32, seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    func send(_ text: String) throws(EngineError) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { bytes in
                unsafe Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw EngineError("the question cannot be sent: \(Errno(rawValue: errno))") }
            rest = rest.dropFirst(count)
        }
    }

    /// The next bytes; empty: there are no more.
    ///
    /// - Parameter end: nil is returned where nothing has come by then.
    func receive(until end: ContinuousClock.Instant) throws(EngineError) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 65536)
        while true {
            let left = max((end - .now) / .milliseconds(1), 0)
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = unsafe poll(&entry, 1, Int32(min(left.rounded(.up), 3_600_000)))
            if ready < 0, errno == EINTR { continue }
            if ready == 0 { return nil }
            let count = unsafe recv(descriptor, &bytes, bytes.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw EngineError("no answer can be read: \(Errno(rawValue: errno))") }
            return Array(bytes[..<count])
        }
    }
}
