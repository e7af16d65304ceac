// SPDX-License-Identifier: Apache-2.0
import Analysis

extension Reach {
    package var json: JSON {
        [
            "rows": .array(
                rows.map { row in
                    [
                        "from": JSON(row.from), "to": JSON(row.to), "service": JSON(row.service),
                        "ports": JSON(row.ports), "rules": JSON(row.rules), "conditional": .bool(row.isConditional),
                    ]
                }), "partial": .bool(isPartial),
        ]
    }

    package var words: Words {
        if rows.isEmpty { return isPartial ? "the policy is too large to tell\n" : "nobody\n" }
        var table = Table([
            .init("FROM"), .init("TO"), .init("SERVICE"), .init("PORTS"), .init("RULES"),
        ])
        for row in rows {
            table.append([
                row.from.joined(separator: ", "), row.to.joined(separator: ", "), row.service.joined(separator: ", "),
                row.ports.joined(separator: " > "),
                row.rules.joined(separator: " > ") + (row.isConditional ? " (conditional)" : ""),
            ])
        }
        return table.text + (isPartial ? "there may be more: the policy is too large to tell all of it\n" : "")
    }
}
