// SPDX-License-Identifier: Apache-2.0
import CTestSupport
import Foundation
import Synchronization

/// The outcome of a command.
public struct CommandResult: Sendable {
    /// The exit status, or 128 plus the signal that ended it.
    public var status: Int32
    public var output: String
    public var errors: String

    public var lines: [String] { output.split(separator: "\n").map(String.init) }
}

/// A command that could not be run, failed, or took too long.
public struct CommandFailure: Error, CustomStringConvertible {
    public var description: String
}

/// A running program. Its output goes to files, so that it never blocks on a reader.
public final class Command: Sendable {
    private let folder: URL
    private let words: [String]
    /// The exit status once it has ended.
    private let status = Mutex<Int32?>(nil)
    public let pid: Int32

    /// Starts `words[0]`, looked up in PATH.
    public init(_ words: [String], input: String? = nil, environment: [String: String] = [:]) throws {
        self.words = words
        folder = FileManager.default.temporaryDirectory.appending(path: "bulkhead-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for name in ["output", "errors"] { try Data().write(to: folder.appending(path: name)) }
        try Data((input ?? "").utf8).write(to: folder.appending(path: "input"))
        let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }.map { "\($0)=\($1)" }
        pid = Command.spawn(words, variables, folder)
        if pid < 0 {
            try? FileManager.default.removeItem(at: folder)
            throw CommandFailure(description: "\(words.joined(separator: " ")): cannot be started (error \(-pid))")
        }
    }

    deinit {
        if isRunning {
            kill(pid, SIGKILL)
            _ = poll(seconds: 5) { !isRunning }
        }
        try? FileManager.default.removeItem(at: folder)
    }

    private static func spawn(_ words: [String], _ environment: [String], _ folder: URL) -> Int32 {
        let (list, variables) = unsafe (
            words.map { unsafe strdup($0) } + [nil], environment.map { unsafe strdup($0) } + [nil]
        )
        defer {
            for index in unsafe list.indices { unsafe free(list[index]) }
            for index in unsafe variables.indices { unsafe free(variables[index]) }
        }
        return unsafe lab_spawn(
            list, variables, folder.appending(path: "input").path, folder.appending(path: "output").path,
            folder.appending(path: "errors").path)
    }

    public var isRunning: Bool {
        status.withLock { status in
            if status != nil { return false }
            var found: Int32 = 0
            if unsafe lab_reap(pid, &found) == 1 { status = found }
            return status == nil
        }
    }

    /// The output so far.
    public var output: String { text("output") }
    public var errors: String { text("errors") }

    public func signal(_ number: Int32) {
        if isRunning { kill(pid, number) }
    }

    /// Waits for the program to end, see ``poll(seconds:_:)``. If it takes too long it is killed, and the test fails.
    @discardableResult
    public func wait(seconds: Double = 30) throws -> CommandResult {
        guard poll(seconds: seconds, { !isRunning }), let status = status.withLock({ $0 }) else {
            signal(SIGKILL)
            throw CommandFailure(
                description:
                    "\(words.joined(separator: " ")) took more than \(seconds * Patience.factor) s; it said: "
                    + output + errors)
        }
        return CommandResult(status: status, output: output, errors: errors)
    }

    /// Interrupts the program as Ctrl-C does, and waits for it.
    @discardableResult
    public func interrupt() throws -> CommandResult {
        signal(SIGINT)
        return try wait(seconds: 10)
    }

    private func text(_ name: String) -> String {
        guard let data = try? Data(contentsOf: folder.appending(path: name)) else { return "" }
        return String(decoding: data, as: UTF8.self)
    }
}

public enum Shell {
    /// Runs a command to its end and returns the outcome, whatever the status.
    public static func run(_ words: [String], input: String? = nil, seconds: Double = 30) throws -> CommandResult {
        try Command(words, input: input).wait(seconds: seconds)
    }

    /// Runs a command that must succeed.
    @discardableResult
    public static func check(_ words: String..., input: String? = nil, seconds: Double = 30) throws -> String {
        let result = try run(words, input: input, seconds: seconds)
        guard result.status == 0 else {
            throw CommandFailure(description: "\(words.joined(separator: " ")): \(result.status): \(result.errors)")
        }
        return result.output
    }
}

/// Polls until the condition holds; false if it does not hold in time, which is the seconds times ``Patience/factor``.
public func poll(seconds: Double, _ condition: () throws -> Bool) rethrows -> Bool {
    let deadline = ContinuousClock.now + .seconds(seconds * Patience.factor)
    while true {
        if try condition() { return true }
        if ContinuousClock.now >= deadline { return false }
        usleep(2000)
    }
}
