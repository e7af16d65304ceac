// SPDX-License-Identifier: Apache-2.0
import Glibc
import SystemPackage

/// A socket that listens at a ``ServerAddress``.
struct ListeningSocket: ~Copyable {
    /// Until ``takeDescriptor()``.
    private var descriptor: FileDescriptor?
    private let folder: ServerFolder?
    private let inode: UInt64

    /// How many connections the kernel keeps that were not taken yet.
    private static let backlog: Int32 = 128

    private init(_ descriptor: FileDescriptor, folder: consuming ServerFolder?, inode: UInt64) {
        self.descriptor = descriptor
        self.folder = folder
        self.inode = inode
    }

    /// - Parameter isForAll: Whether every user of the host may connect to a Unix socket.
    static func open(_ address: ServerAddress, isForAll: Bool) throws(ServerError) -> ListeningSocket {
        let descriptor = try socket(for: address)
        do throws(ServerError) {
            switch address {
            case .unix(let path):
                let folder = try ServerFolder(of: path)
                let inode = try folder.bind(descriptor, mode: isForAll ? 0o666 : 0o660)
                do throws(ServerError) {
                    try listen(descriptor, address)
                } catch {
                    folder.remove(inode)
                    throw error
                }
                return ListeningSocket(descriptor, folder: consume folder, inode: inode)
            case .loopback(let loopback, let port):
                try bind(descriptor, loopback, port, address)
                try listen(descriptor, address)
                return ListeningSocket(descriptor, folder: nil, inode: 0)
            }
        } catch {
            try? descriptor.close()
            throw error
        }
    }

    private static func socket(for address: ServerAddress) throws(ServerError) -> FileDescriptor {
        let family =
            switch address {
            case .unix: AF_UNIX
            case .loopback(.version4, _): AF_INET
            case .loopback(.version6, _): AF_INET6
            }
        let flags = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let value = Glibc.socket(family, flags, 0)
        guard value >= 0 else {
            throw ServerError(
                "cannot make a socket for \(address): \(Errno(rawValue: errno))",
                advice: "a unit must name the family in RestrictAddressFamilies=: see bulkhead-agent(8)")
        }
        return FileDescriptor(rawValue: value)
    }

    private static func listen(_ socket: FileDescriptor, _ address: ServerAddress) throws(ServerError) {
        guard Glibc.listen(socket.rawValue, backlog) == 0 else {
            throw ServerError(
                "cannot listen at \(address): \(Errno(rawValue: errno))", advice: "see who does: ss -xtlnp")
        }
    }

    private static func bind(
        _ socket: FileDescriptor, _ loopback: ServerAddress.Loopback, _ port: UInt16, _ address: ServerAddress
    ) throws(ServerError) {
        var on: Int32 = 1
        _ = unsafe setsockopt(
            socket.rawValue, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        let result: Int32
        switch loopback {
        case .version4:
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = port.bigEndian
            unsafe inet_pton(AF_INET, loopback.rawValue, &name.sin_addr)
            result = unsafe bind(socket, &name)
        case .version6:
            var name = sockaddr_in6()
            name.sin6_family = sa_family_t(AF_INET6)
            name.sin6_port = port.bigEndian
            unsafe inet_pton(AF_INET6, loopback.rawValue, &name.sin6_addr)
            result = unsafe bind(socket, &name)
        }
        guard result == 0 else {
            throw ServerError("cannot bind \(address): \(Errno(rawValue: errno))", advice: "see who uses it: ss -tlnp")
        }
    }

    private static func bind<Name>(_ socket: FileDescriptor, _ name: UnsafePointer<Name>) -> Int32 {
        unsafe name.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe Glibc.bind(socket.rawValue, $0, socklen_t(MemoryLayout<Name>.size))
        }
    }

    /// Hands the descriptor over to who accepts connections, and closes it.
    mutating func takeDescriptor() -> Int32? { descriptor.take()?.rawValue }

    /// Takes the socket's name away; whoever asks for it then finds nobody.
    func removeName() { folder?.remove(inode) }

    deinit { try? descriptor?.close() }
}
