// SPDX-License-Identifier: Apache-2.0
import Datapath

extension GroupChange {
    package func json(_ instance: String, _ deeds: [(String, JSON)]) -> JSON {
        var fields = JSON.Fields()
        fields.append("instance", .string(instance))
        fields.append("group", .string(group))
        for (name, value) in deeds { fields.append(name, value) }
        return .object(fields)
    }
}

extension [GroupMembers] {
    package var json: JSON {
        .array(
            map {
                [
                    "name": .string($0.name), "members": JSON($0.members.count), "max": JSON($0.maximum),
                    "timeout": JSON(optional: $0.timeout.map { $0 / 1_000_000_000 }),
                ]
            })
    }

    package var words: Words {
        if isEmpty { return "the policy in force has no dynamic groups\n" }
        var table = Table([.init("GROUP"), .init("MEMBERS", .right), .init("MAX", .right), .init("TIMEOUT", .right)])
        for group in self {
            table.append([
                group.name, "\(group.members.count)", "\(group.maximum)",
                group.timeout.map { "\($0 / 1_000_000_000)s" } ?? "-",
            ])
        }
        return table.text
    }
}

extension GroupMembers {
    package func json(_ instance: String) -> JSON {
        [
            "instance": .string(instance), "group": .string(name), "max": JSON(maximum),
            "timeout": JSON(optional: timeout.map { $0 / 1_000_000_000 }),
            "members": .array(
                sorted.map {
                    [
                        "address": .string($0.prefix.description),
                        "left": $0.left.map { .decimal(Double($0) / 1e9) } ?? .null,
                        "excepted": JSON($0.exception?.rawValue),
                    ]
                }),
        ]
    }

    private var sorted: [Member] {
        members.sorted { ($0.prefix.address, $0.prefix.length) < ($1.prefix.address, $1.prefix.length) }
    }

    package var words: Words {
        if members.isEmpty { return "\(name) has no members\n" }
        let hasExceptions = members.contains { $0.exception != nil }
        var table = Table([.init("ADDRESS"), .init("LEFT", .right)] + (hasExceptions ? [.init("NOTE")] : []))
        for member in sorted {
            let left = member.left.map { "\($0.secondsLeft)s" } ?? "-"
            table.append(["\(member.prefix)", left] + (hasExceptions ? [member.note] : []))
        }
        return table.text
    }
}

extension GroupMembers.Member {
    /// What becomes of a member that the policy takes out.
    fileprivate var note: String {
        switch exception {
        case .whole: "not in the group: the policy's except takes it away"
        case .part: "only in part in the group: the policy's except takes some of it away"
        case nil: ""
        }
    }
}
