// SPDX-License-Identifier: Apache-2.0
import Compiler
import Control
import Policy
import Wire

extension Explanation {
    package var json: JSON {
        [
            "verdict": .string(verdict.rawValue),
            "hops": .array(
                hops.map { hop in
                    [
                        "port": .string(hop.port), "direction": .string(hop.direction.rawValue),
                        "verdict": .string(hop.verdict.rawValue), "reason": JSON(hop.reason?.rawValue),
                        "rule": JSON(hop.rule?.name), "source": JSON(hop.source?.fileAndLine),
                        "comment": JSON(hop.rule?.note?.comment),
                        "meta": hop.rule?.note?.metaJSON ?? nil, "limited": .bool(hop.rule?.isLimited ?? false),
                        "dynamic": .bool(hop.rule?.asksMembers ?? false),
                        "expires": JSON(hop.rule?.expires?.utc),
                    ]
                }),
            "generation": JSON(optional: generation),
        ]
    }

    package func words(_ ends: ExplainedEnds, _ palette: Palette) -> Words {
        var text: Words = "\(ends.source.address) > \(ends.destination.address): \(paint(verdict, palette))\n"
        for hop in hops {
            let cause = hop.rule.map { "rule \($0.name)" } ?? hop.reason?.rawValue ?? "-"
            text += "  \(hop.direction.rawValue) at \(hop.port): \(paint(hop.verdict, palette))  \(cause)"
            text += "\(hop.conditions)"
            text += hop.source.map { "  \($0.fileAndLine)" } ?? ""
            text += hop.rule?.note.map { "  # \($0.words)" } ?? ""
            text += "\n"
        }
        return text
    }

    private func paint(_ verdict: Action, _ palette: Palette) -> Words {
        verdict == .accept ? palette.green("\(verdict.rawValue)") : palette.red("\(verdict.rawValue)")
    }
}

extension Explanation.Hop {
    /// What the rule asks for besides the packet, if it is more than that.
    fileprivate var conditions: String {
        let words =
            (rule?.isLimited == true ? ["within its limit"] : [])
            + (rule?.asksMembers == true ? ["by its dynamic groups now"] : [])
            + (rule?.expires.map { ["until \($0)"] } ?? [])
        return words.isEmpty ? "" : "  (\(words.joined(separator: ", ")))"
    }
}
