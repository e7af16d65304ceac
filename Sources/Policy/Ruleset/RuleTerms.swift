// SPDX-License-Identifier: Apache-2.0

extension Rule {
    /// Combinations of dynamic groups that one rule may ask for one of.
    public static let mostTerms = 8
    /// Questions about dynamic groups in one of them.
    public static let mostQuestions = 8

    static let termsAdvice = "at most \(mostTerms) of \(mostQuestions) groups each are allowed; write several rules"

    /// What is asked of dynamic groups and of the host, each combination once, that of nothing first.
    public var memberships: [Ends] {
        var seen: Set<Ends> = []
        let all = ends.map { Ends(from: nil, to: nil, source: $0.source, destination: $0.destination) }
            .filter { seen.insert($0).inserted }
        return all.filter(\.asksNothing) + all.filter { !$0.asksNothing }
    }

    /// Why it asks too much of dynamic groups; nil where it does not.
    public var problemOfTerms: String? {
        guard asksMembers else { return nil }
        let memberships = Set(
            ends.map { Ends(from: nil, to: nil, source: $0.source.ofGroups, destination: $0.destination.ofGroups) })
        let questions = memberships.map { $0.source.count + $0.destination.count }.max() ?? 0
        guard memberships.count > Rule.mostTerms || questions > Rule.mostQuestions else { return nil }
        return "the rule needs \(memberships.count) combinations of dynamic groups, "
            + "with up to \(questions) groups in one; " + Rule.termsAdvice
    }
}
