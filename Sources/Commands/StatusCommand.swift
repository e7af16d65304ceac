import ArgumentParser
import Compiler
import Datapath
import Policy

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show what the kernel enforces, port by port.",
        discussion: """
            Read from the kernel's own maps and hooks. A port is `enforcing`, `quarantined`, or `missing` where its device does not \
            exist; programs of others that see packets first are named.

            Example:
              bulkhead status
              bulkhead status --json | jq '.ports[] | select(.state != "enforcing")'
            """)

    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let instance = try Instance(instance.name)
        let status = try instance.status()
        if output.isJSON {
            try StandardOutput.line(status.json)
        } else {
            try StandardOutput.write(status.words(Palette.standardOutput))
        }
    }
}

extension Status {
    var json: JSON {
        [
            "instance": .string(instance), "generation": JSON(generation),
            "policy": ["file": .string(file), "sha256": .string(sha256)], "trialUntil": nil,
            "ports": .array(ports.map(\.json)), "classifier": classifier.json,
            "flows": ["used": JSON(flows.used), "capacity": JSON(flows.capacity)], "quarantine": JSON(quarantine),
            "groups": GroupMembers.json(groups),
        ]
    }

    func words(_ palette: Palette) -> Words {
        var table = Table([
            .init("PORT"), .init("DEVICE"), .init("PROTECTS"), .init("MODE"), .init("HOOKS"), .init("STATE"),
        ])
        for port in ports {
            table.append([
                port.name, deviceName(port.interface, port.namespace), port.protects.rawValue,
                port.mode?.rawValue ?? "-",
                port.hooks.isEmpty ? "-" : port.hooks.joined(separator: " "), port.state.rawValue,
            ])
        }
        let applied = Timestamp(nanoseconds: loadedAt * 1_000_000_000).utc.prefix(19)
        var text: Words = """
            instance \(instance)  generation \(generation)  policy \(file)  sha256 \(sha256.prefix(12))
            applied \(applied)Z  memory \((memoryBytes + 1023) / 1024) KiB  readers \(readers)  flows \(flows.used) of \(flows.capacity)
            rules \(classifier.rules)  tier \(classifier.tier.rawValue)  cells \(classifier.cells)  address classes \
            \(classifier.addressClasses)  image \((classifier.bytes + 1023) / 1024) KiB


            """
        text += table.text
        if !groups.isEmpty {
            let fills = groups.map { "\($0.name) \($0.members.count) of \($0.maximum)" }
            text += "dynamic groups: \(fills.joined(separator: ", "))\n"
        }
        if !quarantine.isEmpty { text += palette.yellow("quarantined: \(quarantine.joined(separator: ", "))") + "\n" }
        for port in ports {
            for other in port.ahead {
                text += palette.yellow("\(port.name): ahead of ours on the hook: \(other)") + "\n"
            }
            for problem in port.problems { text += palette.red("\(port.name): \(problem)") + "\n" }
        }
        return text
    }
}

extension ClassifierFigures {
    fileprivate var json: JSON {
        [
            "tier": .string(tier.rawValue), "rules": JSON(rules), "addressClasses": JSON(addressClasses),
            "cells": JSON(cells), "bytes": JSON(bytes),
        ]
    }
}

extension Status.Port {
    fileprivate var json: JSON {
        [
            "name": .string(name), "interface": .string(interface), "netns": JSON(namespace),
            "ifindex": JSON(optional: interfaceIndex), "protects": .string(protects.rawValue),
            "mode": JSON(mode?.rawValue),
            "hooks": JSON(hooks), "state": .string(state.rawValue), "ahead": JSON(ahead), "problems": JSON(problems),
            "guards": JSON(guards.words),
        ]
    }
}

/// A device as people read it: with its namespace where that is not the command's own.
func deviceName(_ interface: String, _ namespace: String?) -> String {
    namespace.map { "\(interface)@\($0)" } ?? interface
}
