// SPDX-License-Identifier: Apache-2.0
import Datapath
import Policy

/// The names that a policy gives, for who is about to write one of them: of the policy in force, or of a file. Where
/// there is no policy, or it may not be read, there are none.
package struct PolicyNames {
    private let inForce: NamesInForce?
    private let instance: Instance?
    /// Reads a policy; only some questions need it, and a large one takes a while.
    private let source: () throws -> PolicySource

    /// - Parameters:
    ///   - policy: A policy's file; nil: the policy in force.
    ///   - standard: The file that is read where no policy is in force.
    package init(instance name: String, policy: String?, otherwise standard: String) {
        let instance = try? Instance(name)
        self.instance = instance
        if policy == nil, let instance, let names = try? instance.namesInForce() {
            inForce = names
            source = { try PolicySource(inForce: instance.policyInForce(), of: instance) }
        } else {
            inForce = nil
            source = { try PolicySource(path: policy ?? standard, for: instance, requiresDevices: false) }
        }
    }

    private var loaded: LoadedPolicy? { (try? source())?.loaded }

    /// Entries, ports of entries with several, and devices.
    package var ports: [String] {
        if let inForce {
            return PolicyNames.sorted(inForce.entries + inForce.ports.flatMap { [$0.name, $0.interface] })
        }
        guard let loaded else { return [] }
        let entries = (loaded.ruleset?.entries ?? []).map(\.name)
        return PolicyNames.sorted(entries + loaded.bindings.flatMap { [$0.port.name, $0.port.interface] })
    }

    package var rules: [String] { PolicyNames.sorted(inForce?.rules ?? (loaded?.ruleset?.rules ?? []).map(\.name)) }

    package var services: [String] {
        let named = (loaded?.ruleset?.services ?? [:]).keys
        return PolicyNames.sorted(named + CommonService.names + ["ping"])
    }

    package var dynamicGroups: [String] {
        PolicyNames.sorted(inForce?.groups ?? (loaded?.ruleset?.dynamicGroups ?? []).map(\.name))
    }

    /// Groups, ports and reserved words: what may stand at either end of a question.
    package var ends: [String] {
        PolicyNames.sorted((loaded?.ruleset?.groups ?? []).map(\.name) + dynamicGroups + ports + ["any", "host"])
    }

    /// The numbers of the generations that can be brought back, the newest first.
    package var generations: [String] {
        guard let all = try? instance?.generations() else { return [] }
        return all.filter { $0.isKept || $0.isInForce }.map { "\($0.generation)" }
    }

    private static func sorted(_ names: [String]) -> [String] { Set(names).sorted() }
}
