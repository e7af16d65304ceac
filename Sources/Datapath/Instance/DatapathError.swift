// SPDX-License-Identifier: Apache-2.0
import Host
import Libbpf

/// Why a command's work in the kernel failed. What was in force before still is.
public struct DatapathError: Error, Sendable {
    /// What went wrong, with its cause.
    public var message: String
    /// What to do about it, if that is known.
    public var advice: String?
    /// The BPF call that failed, if one did; with the verifier's whole log if it refused a program.
    public var bpf: BPFError?
    /// Whether another command was in the way, so that it is worth another try.
    package var isBusy = false

    public init(_ message: String, advice: String? = nil, bpf: BPFError? = nil) {
        self.message = message
        self.advice = advice
        self.bpf = bpf
    }

    /// An error that says what was being done and which call failed.
    package init(_ doing: String, _ error: BPFError, advice: String? = nil) {
        self.init("\(doing): \(error)", advice: advice, bpf: error)
    }
}

extension DatapathError {
    /// Runs `body`. An error that is not a `DatapathError` becomes one that says what was being done.
    package static func naming<Result>(
        _ doing: @autoclosure () -> String, _ body: () throws -> Result
    ) throws(DatapathError) -> Result {
        do {
            return try body()
        } catch let error as DatapathError {
            throw error
        } catch let error as BPFError {
            throw DatapathError(doing(), error)
        } catch {
            throw DatapathError("\(doing()): \(error)")
        }
    }
}

extension DatapathError: HostFailure {
    package init(_ error: HostError) { self.init(error.message, advice: error.advice) }
}

extension DatapathError: CustomStringConvertible {
    /// The message, then the advice.
    public var description: String { advice.map { "\(message)\n\($0)" } ?? message }
}
