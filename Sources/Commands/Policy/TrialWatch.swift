// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Glibc
import Rendering
import Requests

/// Waits on a terminal for what becomes of a trial: Enter keeps the policy, Ctrl-C goes back. If this process dies, the
/// kernel ends the trial all the same. It asks and changes as any command does: the kernel, or through the agent.
struct TrialWatch {
    private let instance: InstanceOptions
    private let generation: UInt32
    private let output: OutputOptions

    /// Between two looks at whether others have settled the trial. The agent looks at every port for one.
    private static let interval = Duration.seconds(1)

    init(_ instance: InstanceOptions, _ generation: UInt32, _ output: OutputOptions) {
        (self.instance, self.generation, self.output) = (instance, generation, output)
    }

    /// Returns at once where nobody sits at a terminal.
    ///
    /// - Throws: ``Refusal`` if the policy is not in force at the end.
    func run() throws {
        guard !output.isJSON, StandardOutput.isTerminal, isatty(STDIN_FILENO) == 1 else { return }
        Interruption.catchSignals()
        // What was typed before is no answer.
        tcflush(STDIN_FILENO, TCIFLUSH)
        while true {
            guard let now = try look() else { return try goBack() }
            guard now.generation == generation else {
                try StandardOutput.write("\n")
                return try conclude(now)
            }
            if let answer = try answer(within: now.left) { return try act(on: answer) }
        }
    }

    /// - Returns: nil if the look was interrupted.
    private func look() throws -> TrialNow? {
        do {
            return try instance.trialNow()
        } catch {
            if Interruption.isRequested { return nil }
            throw error
        }
    }

    private enum Answer {
        case enter
        case interrupt
        /// The terminal is: nobody can answer any more.
        case gone
    }

    private func act(on answer: Answer) throws {
        switch answer {
        case .enter: try instance.make(.confirm(generation), output)
        case .interrupt: try goBack()
        case .gone: try StandardOutput.write("\n")
        }
    }

    /// Shows the time that is left, and waits for an answer until it is time for another look.
    private func answer(within left: Duration) throws -> Answer? {
        let clock = ContinuousClock()
        let start = clock.now
        repeat {
            if Interruption.isRequested { return .interrupt }
            try show(seconds: (left - (clock.now - start)).secondsLeft)
            if let answer = typed() { return answer }
        } while clock.now - start < min(left, Self.interval)
        return Interruption.isRequested ? .interrupt : nil
    }

    private func show(seconds: UInt64) throws {
        let clear: Words = "\r\u{1b}[K"
        try StandardOutput.write(clear + "\(seconds) s left: Enter keeps it, Ctrl-C goes back ")
    }

    /// Waits a moment for a line.
    private func typed() -> Answer? {
        var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&input, 1, 200) > 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(STDIN_FILENO, $0.baseAddress, $0.count) }
        if count < 0 { return errno == EINTR ? nil : .gone }
        return count == 0 ? .gone : bytes[..<count].contains(UInt8(ascii: "\n")) ? .enter : nil
    }

    private func goBack() throws {
        // From here on Ctrl-C ends the wait for the agent.
        Interruption.catchSignals()
        try StandardOutput.write("\n")
        do {
            try instance.make(.endTrial(generation), output)
        } catch {
            guard let now = try? instance.trialNow(), now.generation != generation else { throw error }
            return try conclude(now)
        }
        throw ExitCode.failure
    }

    /// Says what became of the trial without this command's doing.
    private func conclude(_ now: TrialNow) throws {
        guard now.inForce != generation else {
            return try StandardOutput.write("generation \(generation) was confirmed meanwhile, and stays\n")
        }
        throw Refusal(
            "the trial of generation \(generation) has ended: "
                + (now.inForce.map { "generation \($0) is in force" } ?? "no policy is in force"),
            advice: "'bulkhead rollback \(generation)' puts it in force again")
    }
}
