/// `limit`, whose syntax is checked though rules with one are refused for now.
enum LimitSyntax {
    private enum Per: String, CaseIterable { case rule, source }

    static func check(_ node: Node, _ problems: Problems) {
        guard let fields = Fields(node, "\"limit\"", keys: ["rate", "burst", "per"], problems) else { return }
        if let rate = fields["rate"] {
            if let text = problems.text(rate, "a rate"), !isRate(text) {
                problems.error(rate.location, "\"\(text)\" is no rate such as 1000/s or 60/m")
            }
        } else {
            problems.error(fields.location, "the limit has no \"rate\"")
        }
        if let burst = fields["burst"] { _ = problems.number(burst, "a number of packets", in: 1...1_000_000_000) }
        if let per = fields["per"] { _ = problems.word(per, Per.self) }
    }

    private static func isRate(_ text: String) -> Bool {
        guard text.hasSuffix("/s") || text.hasSuffix("/m"), let count = Problems.decimal(text.dropLast(2)) else {
            return false
        }
        return (1...1_000_000_000).contains(count)
    }
}
