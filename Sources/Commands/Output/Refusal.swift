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
