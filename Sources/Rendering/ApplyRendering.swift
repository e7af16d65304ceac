// SPDX-License-Identifier: Apache-2.0
import Datapath
import Policy

extension ApplyReport {
    package func json(compiling: Duration) -> JSON {
        [
            "generation": JSON(generation), "changed": .bool(changed), "rules": JSON(rules),
            "ports": .array(
                ports.map { report in
                    [
                        "name": .string(report.port.name), "interface": .string(report.port.interface),
                        "netns": JSON(report.port.namespace), "mode": JSON(report.mode?.rawValue),
                    ]
                }),
            "compileMs": .decimal(compiling / .milliseconds(1)), "loadMs": .decimal(loadMilliseconds),
            "memoryBytes": JSON(memoryBytes), "trialUntil": JSON(trial.map { Timestamp(nanoseconds: $0.until).utc }),
        ]
    }

    package func words(compiling: Duration, isRehearsal: Bool) -> Words {
        var table = Table([.init("PORT"), .init("DEVICE"), .init("MODE")])
        for report in ports {
            table.append([
                report.port.name, report.port.device,
                report.mode?.rawValue ?? (report.isMissing ? "missing" : "-"),
            ])
        }
        var text = ports.isEmpty ? "" : table.text + "\n"
        let times: Words =
            "compiled in \(JSON.decimal(compiling / .milliseconds(1))) ms, "
            + "loaded in \(JSON.decimal(loadMilliseconds)) ms"
        switch (isRehearsal, changed) {
        case (true, true): text += "would change the policy: \(counted(rules, "rule")); nothing was loaded\n"
        case (true, false): text += "would change nothing: generation \(generation) is this policy\n"
        case (false, true) where trial != nil: text += trialWords(times)
        case (false, true): text += "generation \(generation) is in force: \(counted(rules, "rule")); \(times)\n"
        case (false, false): text += "generation \(generation) is in force already; nothing was changed\n"
        }
        return text
    }

    private func trialWords(_ times: Words) -> Words {
        let until = Timestamp(nanoseconds: trial?.until ?? 0).utc.prefix(19)
        let after = trial?.base.map { "generation \($0) is in force again" } ?? "everything passes again"
        return """
            generation \(generation) is on trial until \(until)Z: \(counted(rules, "rule")); \(times)
            unless 'bulkhead confirm' keeps it, \(after) then

            """
    }
}
