import Datapath

/// Why a command did not do what it was asked, and what to do next. The command exits with 1.
struct Refusal: Error, Sendable, Hashable, CustomStringConvertible {
    var cause: Words
    var advice: Words?

    init(_ cause: Words, advice: Words? = nil) {
        self.cause = cause
        self.advice = advice
    }

    private var words: Words { advice.map { "\(cause)\n  \($0)" } ?? cause }

    var description: String { words.text }
}

extension Refusal {
    /// Where the verifier refused a program, the end of its log goes along: the whole of it may have thousands of lines.
    init(_ error: DatapathError) {
        let log = (error.bpf?.log ?? "").split(separator: "\n").suffix(20)
        let lines = log.map { "  \($0)" as Words }.joined(separator: "\n")
        let tail: Words = log.isEmpty ? "" : "\nThe verifier's last words:\n\(lines)"
        self.init("\(error.message)\(tail)", advice: error.advice.map { "\($0)" })
    }
}
