// SPDX-License-Identifier: Apache-2.0
import Glibc
import UnixSockets

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
        guard let address = UnixAddress(name) else { return }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let text = Array(message.utf8)
        unsafe address.with { _ = unsafe sendto(descriptor, text, text.count, Int32(MSG_NOSIGNAL), $0, $1) }
    }
}
