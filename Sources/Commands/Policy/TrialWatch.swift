// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import Rendering

/// Waits on a terminal for what becomes of a trial: Enter keeps the policy, Ctrl-C goes back. If this process dies, the
/// kernel ends the trial all the same.
struct TrialWatch {
    private let controller: Controller
    private let generation: UInt32
    private let output: OutputOptions

    init(_ controller: Controller, _ generation: UInt32, _ output: OutputOptions) {
        (self.controller, self.generation, self.output) = (controller, generation, output)
    }

    /// Returns at once where nobody sits at a terminal.
    ///
    /// - Throws: ``Refusal`` if the policy is not in force at the end.
    func run() throws {
        guard !output.isJSON, StandardOutput.isTerminal, isatty(STDIN_FILENO) == 1 else { return }
        Interruption.catchSignals()
        // What was typed before is no answer.
        tcflush(STDIN_FILENO, TCIFLUSH)
        while let trial = try controller.trial(), trial.generation == generation {
            if Interruption.isRequested { return try goBack() }
            try show(seconds: trial.left.secondsLeft)
            switch answer() {
            case .enter: return try keep()
            case .none: continue
            case .gone: return try StandardOutput.write("\n")
            }
        }
        try conclude()
    }

    private enum Answer {
        case none
        case enter
        /// The terminal is: nobody can answer any more.
        case gone
    }

    private func show(seconds: UInt64) throws {
        let clear: Words = "\r\u{1b}[K"
        try StandardOutput.write(clear + "\(seconds) s left: Enter keeps it, Ctrl-C goes back ")
    }

    /// Waits a moment for a line.
    private func answer() -> Answer {
        var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&input, 1, 200) > 0 else { return .none }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(STDIN_FILENO, $0.baseAddress, $0.count) }
        if count < 0 { return errno == EINTR ? .none : .gone }
        return count == 0 ? .gone : bytes[..<count].contains(UInt8(ascii: "\n")) ? .enter : .none
    }

    private func keep() throws {
        let report = try controller.confirm(generation)
        Notices.warn(report.warnings)
        try StandardOutput.write(report.words)
    }

    private func goBack() throws {
        try StandardOutput.write("\n")
        guard let report = try controller.endTrial() else { return try conclude() }
        Notices.warn(report.warnings)
        throw Refusal(
            "the trial of generation \(generation) is ended: "
                + (report.inForce.map { "generation \($0) is in force again" } ?? "no policy is in force, as before it")
        )
    }

    /// Says what became of the trial without this command's doing.
    private func conclude() throws {
        try StandardOutput.write("\n")
        let inForce = try controller.generationInForce()
        guard inForce != generation else {
            return try StandardOutput.write("generation \(generation) was confirmed meanwhile, and stays\n")
        }
        throw Refusal(
            "the trial of generation \(generation) has ended: "
                + (inForce.map { "generation \($0) is in force" } ?? "no policy is in force"),
            advice: "'bulkhead rollback \(generation)' puts it in force again")
    }
}
