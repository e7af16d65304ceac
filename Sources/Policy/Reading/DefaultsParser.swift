// SPDX-License-Identifier: Apache-2.0
import Wire

/// The keys of a `defaults` mapping, the policy's or a port's.
struct WrittenDefaults {
    var `in`: (action: Action, location: SourceLocation)?
    var out: (action: Action, location: SourceLocation)?
    var essentials: Bool?
    /// Seconds.
    var adopt: Int?
    var tcp: PortEntry.TCPWindows?

    static let keys = ["in", "out", "essentials", "adopt", "tcp"]
    static let portKeys = ["in", "out", "essentials"]

    /// The default of `adopt`, in seconds: how long segments of unknown connections are adopted.
    static let adoptSeconds = 120

    /// Reads those keys that `fields` has.
    init(_ fields: Fields, _ problems: Problems) {
        `in` = WrittenDefaults.action(fields["in"], problems)
        out = WrittenDefaults.action(fields["out"], problems)
        essentials = fields["essentials"].flatMap(problems.isOn)
        adopt = fields["adopt"].flatMap(problems.duration)
        tcp = fields["tcp"].flatMap { problems.word($0) }
    }

    init() {}

    private static func action(_ node: Node?, _ problems: Problems) -> (Action, SourceLocation)? {
        guard let node, let action = problems.word(node, among: Action.verdicts) else { return nil }
        return (action, node.location)
    }

    /// An entry's defaults: its own, else the policy's, else the language's, whose location is the entry's.
    func over(_ policy: WrittenDefaults, entry: SourceLocation) -> PortEntry.Defaults {
        let `in` = self.in ?? policy.in ?? (.drop, entry)
        let out = self.out ?? policy.out ?? (.accept, entry)
        return PortEntry.Defaults(
            in: `in`.action, out: out.action, essentials: essentials ?? policy.essentials ?? true,
            inLocation: `in`.location, outLocation: out.location)
    }
}
