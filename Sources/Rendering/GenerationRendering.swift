// SPDX-License-Identifier: Apache-2.0
import Datapath
import Policy

extension [PastGeneration] {
    package var json: JSON { ["generations": .array(map(\.json))] }

    /// A table, the newest first.
    package var words: Words {
        var table = Table([
            .init("GENERATION", .right), .init("TIME"), .init("USER"), .init("FILE"), .init("RULES", .right),
            .init("STATE"), .init("MESSAGE"),
        ])
        for past in self {
            table.append([
                "\(past.generation)", "\(past.timestamp.utc.prefix(19))Z", past.note?.person.name ?? "-", past.file,
                "\(past.rules)", past.state, past.words,
            ])
        }
        return table.text
    }
}

extension PastGeneration {
    fileprivate var timestamp: Timestamp { Timestamp(nanoseconds: time) }

    fileprivate var state: String {
        if isInForce { return isUnconfirmed ? "on trial" : "in force" }
        return (isUnconfirmed ? "not confirmed, " : "") + (isKept ? "kept" : "text not kept")
    }

    /// Why it was put in force.
    fileprivate var words: String {
        let back = note?.rollbackOf.map { "(rollback to \($0))" }
        return [note?.message, back].compactMap(\.self).joined(separator: " ")
    }

    fileprivate var json: JSON {
        [
            "generation": JSON(generation), "time": .string(timestamp.utc), "user": JSON(note?.person.name),
            "file": .string(file), "sha256": .string(sha256), "message": JSON(note?.message), "rules": JSON(rules),
            "inForce": .bool(isInForce), "kept": .bool(isKept),
            "confirmed": .bool(!isUnconfirmed),
            "rollbackOf": JSON(optional: note?.rollbackOf), "directory": JSON(note?.directory),
            "uid": JSON(optional: note?.person.uid), "loginUid": JSON(optional: note?.person.loginUID),
            "sudoUser": JSON(note?.person.sudoUser),
        ]
    }
}
