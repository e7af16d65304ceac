// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc
import SystemPackage

/// Why a call to the kernel's BPF part failed.
public struct BPFError: Error, Sendable {
    /// What was tried: "load", "pin", "attach to XDP", ...
    public var operation: String
    /// The program, map, link or path it was tried with.
    public var object: String
    public var errno: Errno
    /// What libbpf said about it; empty if nothing.
    public var messages: String
    /// The verifier's whole log if it refused a program; else empty.
    public var log: String

    /// - Parameter errno: The kernel's error number, positive.
    public init(_ operation: String, _ object: String, errno: Int32, messages: String = "", log: String = "") {
        self.operation = operation
        self.object = object
        self.errno = Errno(rawValue: errno)
        self.messages = messages
        self.log = log
    }

    /// The verifier's own words on what it refused: the last line before its statistics.
    public var verifierSummary: String? {
        var last: Substring?
        for line in log.split(separator: "\n") where !line.isEmpty {
            if line.hasPrefix("processed "), last != nil { break }
            last = line
        }
        return last.map(String.init)
    }

    /// The error number in words.
    public var cause: String { errno.description }
}

extension BPFError: CustomStringConvertible {
    /// One line; the whole log is in ``log``.
    public var description: String {
        var text = "\(operation) \(object): \(cause)"
        if let summary = verifierSummary {
            text += "; the verifier: \(summary)"
        } else if let line = messages.split(separator: "\n").last {
            text += "; \(line)"
        }
        return text
    }
}

/// libbpf's messages, which go into errors instead of to standard error.
enum Messages {
    private static let capture: Void = bulkhead_capture_messages()

    /// Forgets earlier messages. To be called before a call whose messages matter.
    static func begin() {
        _ = capture
        _ = unsafe bulkhead_take_messages()
    }

    /// The messages on this thread since ``begin()``.
    static func take() -> String { unsafe String(cString: bulkhead_take_messages()) }
}

/// Returns what a call of libbpf returned, or throws it if it is negative.
@discardableResult
func check(
    _ operation: String, _ object: @autoclosure () -> String, _ call: () -> Int32
) throws(BPFError) -> Int32 {
    Messages.begin()
    let result = call()
    guard result < 0 else { return result }
    throw BPFError(operation, object(), errno: -result, messages: Messages.take())
}

/// The same for a call that looks for an entry. An entry that is not there is not an error, and the result is false.
@discardableResult
func checkFound(
    _ operation: @autoclosure () -> String, _ object: @autoclosure () -> String, _ call: () -> Int32
) throws(BPFError) -> Bool {
    let result = call()
    guard result >= 0 || result == -ENOENT else { throw BPFError(operation(), object(), errno: -result) }
    return result >= 0
}
