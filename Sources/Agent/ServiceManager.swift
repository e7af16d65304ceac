// SPDX-License-Identifier: Apache-2.0
import Glibc
import SystemPackage

/// What is told to the service manager that started the agent, by sd_notify's protocol: a datagram to the socket that
/// NOTIFY_SOCKET names. Without one nothing is told.
enum ServiceManager {
    static func ready(_ status: String) { tell("READY=1\nSTATUS=\(line(status))") }

    static func reloading() {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        tell("RELOADING=1\nMONOTONIC_USEC=\(time.tv_sec * 1_000_000 + time.tv_nsec / 1000)")
    }

    static func stopping() { tell("STOPPING=1") }

    static func status(_ status: String) { tell("STATUS=\(line(status))") }

    /// Each line of a message is a variable.
    private static func line(_ text: String) -> String { text.replacing("\n", with: " ") }

    private static func tell(_ message: String) {
        guard let name = unsafe getenv("NOTIFY_SOCKET").map({ unsafe String(cString: $0) }) else { return }
        send(message, to: name)
    }

    /// - Parameter name: A path, or `@` and the name of an abstract socket.
    static func send(_ message: String, to name: String) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(name.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard !bytes.isEmpty, bytes.count < room else { return }
        if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let text = Array(message.utf8)
        unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                _ = unsafe sendto(descriptor, text, text.count, Int32(MSG_NOSIGNAL), pointer, length)
            }
        }
    }
}
