import Foundation
import Synchronization

/// What a command did.
public struct CommandResult: Sendable {
    /// The exit status, or 128 and the signal that ended it.
    public var status: Int32
    public var output: String
    public var errors: String

    public var lines: [String] { output.split(separator: "\n").map(String.init) }
}

/// A command that could not be run, failed, or took too long.
public struct CommandFailure: Error, CustomStringConvertible {
    public var description: String
}

/// A running program whose output goes to files, so that it never blocks on a reader.
public final class Command: @unchecked Sendable {
    private let process = Process()
    private let folder: URL
    private let words: [String]

    /// Starts `words[0]`, looked up in PATH.
    public init(_ words: [String], input: String? = nil, environment: [String: String] = [:]) throws {
        self.words = words
        folder = FileManager.default.temporaryDirectory.appending(path: "bulkhead-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for name in ["output", "errors"] {
            try Data().write(to: folder.appending(path: name))
        }
        try (input ?? "").write(to: folder.appending(path: "input"), atomically: false, encoding: .utf8)
        process.executableURL = URL(filePath: "/usr/bin/env")
        // The thread that runs a test blocks all signals, and a child would inherit that.
        process.arguments = ["--default-signal"] + words
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = try FileHandle(forReadingFrom: folder.appending(path: "input"))
        process.standardOutput = try FileHandle(forWritingTo: folder.appending(path: "output"))
        process.standardError = try FileHandle(forWritingTo: folder.appending(path: "errors"))
        try process.run()
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        try? FileManager.default.removeItem(at: folder)
    }

    public var pid: Int32 { process.processIdentifier }
    public var isRunning: Bool { process.isRunning }

    /// What it has written so far.
    public var output: String { text("output") }
    public var errors: String { text("errors") }

    public func signal(_ number: Int32) {
        if process.isRunning { kill(process.processIdentifier, number) }
    }

    /// Waits for its end; one that takes longer is killed, and the test fails.
    @discardableResult
    public func wait(seconds: Double = 30) throws -> CommandResult {
        guard poll(seconds: seconds, { !process.isRunning }) else {
            signal(SIGKILL)
            throw CommandFailure(
                description: "\(words.joined(separator: " ")) took more than \(seconds) s; it said: \(output)\(errors)")
        }
        let status = process.terminationStatus + (process.terminationReason == .uncaughtSignal ? 128 : 0)
        return CommandResult(status: status, output: output, errors: errors)
    }

    /// Interrupts it as Ctrl-C does, and waits.
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
    /// Runs a command to its end and returns what it did, whatever its status.
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

/// Asks again and again until the condition holds; false where it does not in time.
public func poll(seconds: Double, _ condition: () throws -> Bool) rethrows -> Bool {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while true {
        if try condition() { return true }
        if ContinuousClock.now >= deadline { return false }
        usleep(2000)
    }
}
