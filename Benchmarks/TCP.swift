// SPDX-License-Identifier: Apache-2.0
import CBenchmark
import Glibc
import TestSupport

/// A TCP server of a namespace, on threads of its own.
final class TCPServer: Sendable {
    let address: String
    let port: UInt16
    private let listener: Int32

    /// - Parameter answers: whether each byte is answered by one; else what comes is read and forgotten.
    init(_ namespace: Namespace, _ address: String, _ port: UInt16, answers: Bool) throws {
        self.address = address
        self.port = port
        listener = try namespace.inside {
            try Failure.check(unsafe bench_listen(address, port), "listen at \(address)")
        }
        try Failure.check(bench_serve(listener, answers ? 1 : 0), "serve at \(address)")
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }
}

/// A connection to a server, made in a namespace.
final class TCPConnection {
    private let descriptor: Int32

    init(from namespace: Namespace, to server: TCPServer) throws {
        descriptor = try namespace.inside {
            try Failure.check(unsafe bench_connect(server.address, server.port), "connect to \(server.address)")
        }
    }

    deinit { close(descriptor) }

    /// Bits a second that the other end has acknowledged.
    func stream(seconds: Double) throws -> Double {
        let bytes = bench_stream(descriptor, seconds)
        guard bytes > 0 else { throw Failure("a stream came to nothing: \(bytes)") }
        return Double(bytes) * 8 / seconds
    }

    /// What requests and their answers came to.
    struct Answers {
        var count: Int
        /// In order of size.
        var nanoseconds: [UInt32]

        func percentile(_ percent: Double) -> Double {
            nanoseconds.isEmpty ? .nan : Double(nanoseconds[Int(Double(nanoseconds.count - 1) * percent / 100)])
        }
    }

    /// Asks and awaits the answer, again and again; `interval` seconds apart, or at once where it is 0.
    func request(seconds: Double, interval: Double = 0) throws -> Answers {
        var nanoseconds = [UInt32](repeating: 0, count: 1 << 17)
        let count = unsafe bench_request(
            descriptor, seconds, interval, &nanoseconds, Int64(nanoseconds.count))
        guard count >= 0 else { throw Failure("no answer: \(unsafe String(cString: strerror(Int32(-count))))") }
        return Answers(count: Int(count), nanoseconds: nanoseconds.prefix(Int(count)).sorted())
    }

    /// Whether it still lives.
    var answers: Bool { ((try? request(seconds: 0.000_001))?.count ?? 0) > 0 }
}

extension TCPServer {
    /// Connections a second that could be opened, asked over, and closed.
    func openAndClose(from namespace: Namespace, seconds: Double) throws -> Double {
        let count = try namespace.inside { unsafe bench_open_and_close(address, port, seconds) }
        guard count >= 0 else { throw Failure("cannot connect: \(unsafe String(cString: strerror(Int32(-count))))") }
        return Double(count) / seconds
    }
}
