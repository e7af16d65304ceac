// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Policy

extension Status {
    package var json: JSON {
        let until = trial.map { Timestamp(nanoseconds: $0.until).utc }
        return [
            "instance": .string(instance), "generation": JSON(generation),
            "policy": ["file": .string(file), "sha256": .string(sha256)], "trialUntil": JSON(until),
            "trial": trialJSON(until),
            "ports": .array(ports.map(\.json)), "classifier": classifier.json,
            "flows": ["used": JSON(flows.used), "capacity": JSON(flows.capacity)], "quarantine": JSON(quarantine),
            "groups": groups.json, "bridges": .array(bridges.map(\.json)),
            "notAdmitted": .array(refusedGuests.map(\.json)),
            "asIntended": .bool(isAsIntended),
        ]
    }

    private func trialJSON(_ until: String?) -> JSON {
        guard let trial else { return nil }
        return [
            "generation": JSON(generation), "base": JSON(optional: trial.base), "until": JSON(until),
            "passing": JSON(trial.passing),
        ]
    }

    private func trialWords(_ palette: Palette) -> Words {
        guard let trial else { return "" }
        let until = Timestamp(nanoseconds: trial.until).utc.prefix(19)
        let after = trial.base.map { "generation \($0) is in force again" } ?? "everything passes again"
        let left = trial.left.secondsLeft
        let words = palette.yellow("on trial for \(left) s more, until \(until)Z; then \(after)") + "\n"
        guard !trial.passing.isEmpty else { return words }
        let passing = trial.passing.joined(separator: ", ")
        return words + palette.red("pass until then, because the trial has no such ports: \(passing)") + "\n"
    }

    package func words(_ palette: Palette) -> Words {
        var table = Table([
            .init("PORT"), .init("DEVICE"), .init("PROTECTS"), .init("MODE"), .init("HOOKS"), .init("STATE"),
        ])
        for status in ports {
            table.append([
                status.port.name, status.port.device, status.port.protects.rawValue,
                status.mode?.rawValue ?? "-",
                status.hooks.isEmpty ? "-" : status.hooks.joined(separator: " "), status.state.rawValue,
            ])
        }
        let applied = Timestamp(nanoseconds: loadedAt * 1_000_000_000).utc.prefix(19)
        var text: Words = """
            instance \(instance)  generation \(generation)  policy \(file)  sha256 \(sha256.prefix(12))
            \(trialWords(palette))applied \(applied)Z  memory \((memoryBytes + 1023) / 1024) KiB  readers \(readers)  \
            flows \(flows.used) of \(flows.capacity)
            rules \(classifier.rules)  tier \(classifier.tier.rawValue)  cells \(classifier.cells)  in bitmaps \
            \(classifier.bitmapItems)  address classes \(classifier.addressClasses)  image \
            \((classifier.bytes + 1023) / 1024) KiB


            """
        text += table.text
        if !groups.isEmpty {
            let fills = groups.map { "\($0.name) \($0.members.count) of \($0.maximum)" }
            text += "dynamic groups: \(fills.joined(separator: ", "))\n"
        }
        if !quarantine.isEmpty { text += palette.yellow("quarantined: \(quarantine.joined(separator: ", "))") + "\n" }
        text += coverage(palette)
        for guest in refusedGuests { text += palette.red(guest.words) + "\n" }
        for status in ports {
            let name = status.port.name
            for other in status.ahead { text += palette.yellow("\(name): ahead of ours on the hook: \(other)") + "\n" }
            for problem in status.problems { text += palette.red("\(name): \(problem)") + "\n" }
        }
        return text
    }

    /// What passes unjudged without being a port's device.
    private func coverage(_ palette: Palette) -> Words {
        var lines: [Words] = []
        let known = Dictionary(grouping: ports, by: \.port.entry).mapValues { Set($0.map(\.port.interface)) }
        // The ports of an entry have the same list.
        var entries: Set<String> = []
        for status in ports where entries.insert(status.port.entry).inserted {
            let names = (status.uncovered ?? []).filter { known[status.port.entry]?.contains($0) != true }
            let entry = status.port.entry
            if let problem = status.gateProblem {
                lines.append(palette.red("\(entry): \(problem)") + "\n")
            } else if let gate = status.gate, gate != .none {
                lines.append("\(entry): new ports are held by \(gate.rawValue)\n")
            }
            guard !names.isEmpty else { continue }
            lines.append(
                palette.red("\(status.port.entry): pass unjudged: \(names.joined(separator: ", "))") + "\n")
        }
        for bridge in bridges {
            let place = bridge.namespace.map { " in \($0)" } ?? ""
            let names = bridge.uncovered.joined(separator: ", ")
            lines.append(
                palette.yellow("bridge \(bridge.name)\(place): no entry means its members \(names)") + "\n")
        }
        return lines.joined()
    }
}

extension Status.RefusedGuest {
    fileprivate var json: JSON {
        [
            "port": .string(port.name), "interface": .string(port.interface), "netns": JSON(port.namespace),
            "workload": JSON(workload), "why": .string(why),
        ]
    }

    fileprivate var words: Words {
        let guest = workload.map { "workload '\($0)'" } ?? "its guest"
        return "\(port.name): \(guest) is not admitted, and all packets are dropped: \(why)"
    }
}

extension Status.Bridge {
    fileprivate var json: JSON {
        ["name": .string(name), "netns": JSON(namespace), "uncovered": JSON(uncovered)]
    }
}

extension ClassifierFigures {
    fileprivate var json: JSON {
        [
            "tier": .string(tier.rawValue), "rules": JSON(rules), "addressClasses": JSON(addressClasses),
            "cells": JSON(cells), "bitmapItems": JSON(bitmapItems), "bytes": JSON(bytes),
        ]
    }
}

extension Status.PortStatus {
    fileprivate var json: JSON {
        var fields = JSON.Fields()
        fields.append("name", .string(port.name))
        fields.append("interface", .string(port.interface))
        fields.append("netns", JSON(port.namespace))
        fields.append("ifindex", JSON(optional: interfaceIndex))
        fields.append("protects", .string(port.protects.rawValue))
        fields.append("mode", JSON(mode?.rawValue))
        fields.append("hooks", JSON(hooks))
        fields.append("state", .string(state.rawValue))
        fields.append("ahead", JSON(ahead))
        fields.append("problems", JSON(problems))
        fields.append("guards", JSON(guards.words))
        if let gate { fields.append("gate", .string(gate.rawValue)) }
        if let gateProblem { fields.append("gateProblem", .string(gateProblem)) }
        if let uncovered { fields.append("uncovered", JSON(uncovered)) }
        return .object(fields)
    }
}
