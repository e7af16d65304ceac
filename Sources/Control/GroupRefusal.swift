// SPDX-License-Identifier: Apache-2.0
import Datapath
import Policy

extension Instance {
    /// Runs `body`; where it fails for a group that the policy has and that is not dynamic, says so.
    package func explaining<Result>(_ group: String?, _ body: (Instance) throws -> Result) throws -> Result {
        do {
            return try body(self)
        } catch let error as DatapathError {
            guard let group, let policy = try? policyInForce(), let source = try? PolicySource(inForce: policy),
                let ruleset = source.loaded.ruleset, ruleset.groups.contains(where: { $0.name == group }),
                !ruleset.dynamicGroups.contains(where: { $0.name == group })
            else { throw error }
            throw Refusal(
                "group '\(group)' is not dynamic: its members are those that the policy names",
                advice: "give it \"dynamic: {}\" in the policy and apply it, or change the policy")
        }
    }
}
