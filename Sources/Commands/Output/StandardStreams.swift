// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import Rendering
import SystemPackage

/// Standard output was closed by its reader: the end of the work, not a failure.
struct ClosedPipe: Error {}

/// Standard output. Every write reaches the kernel at once, so that a stream can be followed.
enum StandardOutput {
    static let isTerminal = isatty(STDOUT_FILENO) == 1

    /// The columns and lines of the terminal; nil where it is none, or does not say.
    static var size: (width: Int, height: Int)? {
        var size = winsize()
        guard unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return nil
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Whether its reader is gone. A stream that has nothing to write gets no error that would tell it.
    static var isClosed: Bool {
        var output = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
        return unsafe poll(&output, 1, 0) == 1 && output.revents & Int16(POLLERR | POLLHUP) != 0
    }

    /// Writes all of it.
    /// - Throws: ``ClosedPipe`` where nobody reads any more, ``Refusal`` where the text has no room, ``Interrupted``
    ///   where a stream was asked to end while its reader did not take it.
    static func write(_ words: Words) throws {
        try write(Array(words.text.utf8), to: STDOUT_FILENO)
    }

    static func line(_ words: Words) throws { try write(words + "\n") }

    static func line(_ value: JSON) throws { try write(Array("\(value)\n".utf8), to: STDOUT_FILENO) }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) throws {
        var start = 0
        while start < bytes.count {
            let written = unsafe bytes[start...].withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
            }
            if written >= 0 {
                start += written
            } else {
                try handle(errno)
            }
        }
    }

    private static func handle(_ code: Int32) throws {
        switch code {
        case EINTR:
            if Interruption.isRequested { throw Interrupted() }
        case EAGAIN:
            usleep(1000)
        case EPIPE, ECONNRESET:
            throw ClosedPipe()
        case ENOSPC, EDQUOT:
            throw Refusal(
                "standard output cannot be written: no space left on the device",
                advice: "free some space, or send the output elsewhere")
        default:
            throw Refusal("standard output cannot be written: \(Errno(rawValue: code))")
        }
    }
}

/// Words for people, beside the output proper. What cannot be said there is lost: there is no better place to complain.
enum StandardError {
    static func line(_ words: Words) {
        let bytes = Array((words.text + "\n").utf8)
        _ = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

extension Palette {
    /// Colour where standard output is a terminal that takes it and nobody asked for none.
    static let standardOutput = Palette(
        isColoured: StandardOutput.isTerminal && Environment["NO_COLOR"] == nil && Environment["TERM"] != "dumb")
}

/// The variables that the command was started with.
enum Environment {
    /// nil where it is not set, or empty.
    static subscript(name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        let text = unsafe String(cString: value)
        return text.isEmpty ? nil : text
    }
}
