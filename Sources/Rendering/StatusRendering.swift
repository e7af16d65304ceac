// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Policy

extension Status {
    package var json: JSON {
        [
            "instance": .string(instance), "generation": JSON(generation),
            "policy": ["file": .string(file), "sha256": .string(sha256)], "trialUntil": nil,
            "ports": .array(ports.map(\.json)), "classifier": classifier.json,
            "flows": ["used": JSON(flows.used), "capacity": JSON(flows.capacity)], "quarantine": JSON(quarantine),
            "groups": groups.json,
        ]
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
            applied \(applied)Z  memory \((memoryBytes + 1023) / 1024) KiB  readers \(readers)  flows \(flows.used) \
            of \(flows.capacity)
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
        for status in ports {
            let name = status.port.name
            for other in status.ahead { text += palette.yellow("\(name): ahead of ours on the hook: \(other)") + "\n" }
            for problem in status.problems { text += palette.red("\(name): \(problem)") + "\n" }
        }
        return text
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
        [
            "name": .string(port.name), "interface": .string(port.interface), "netns": JSON(port.namespace),
            "ifindex": JSON(optional: interfaceIndex), "protects": .string(port.protects.rawValue),
            "mode": JSON(mode?.rawValue),
            "hooks": JSON(hooks), "state": .string(state.rawValue), "ahead": JSON(ahead), "problems": JSON(problems),
            "guards": JSON(guards.words),
        ]
    }
}
