import Datapath

/// Why a command did not do what it was asked, and what to do next. The command exits with 1.
struct Refusal: Error, Sendable, Hashable, CustomStringConvertible {
    var cause: String
    var advice: String?

    init(_ cause: String, advice: String? = nil) {
        self.cause = cause
        self.advice = advice
    }

    var description: String { advice.map { "\(cause)\n  \($0)" } ?? cause }
}

extension Refusal {
    /// Where the verifier refused a program, the end of its log goes along: the whole of it may have thousands of lines.
    init(_ error: DatapathError) {
        let log = (error.bpf?.log ?? "").split(separator: "\n").suffix(20)
        let tail = log.isEmpty ? "" : "\nThe verifier's last words:\n" + log.map { "  \($0)" }.joined(separator: "\n")
        self.init(error.message + tail, advice: error.advice)
    }
}
