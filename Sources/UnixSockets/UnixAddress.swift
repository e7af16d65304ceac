// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Where a Unix socket is: `struct sockaddr_un`.
package struct UnixAddress {
    private var address = sockaddr_un()
    private let length: socklen_t

    /// - Parameter path: A path, or `@` and the name of an abstract socket.
    /// - Returns: nil if the path is empty, or longer than the kernel takes: 107 bytes.
    package init?(_ path: String) {
        var bytes = Array(path.utf8)
        let isAbstract = bytes.first == UInt8(ascii: "@")
        // A path's length includes its end; an abstract name has none.
        guard !bytes.isEmpty, bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        if isAbstract { bytes[0] = 0 }
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count + (isAbstract ? 0 : 1))
    }

    /// Calls a function that takes an address, such as bind(2).
    package func with<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        unsafe withUnsafePointer(to: address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, length) }
        }
    }

    /// Connects a socket to it. Where that fails, `errno` says why.
    package func connect(_ socket: Int32) -> Bool {
        unsafe with { unsafe Glibc.connect(socket, $0, $1) == 0 }
    }
}
