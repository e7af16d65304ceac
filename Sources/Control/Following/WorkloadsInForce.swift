// SPDX-License-Identifier: Apache-2.0
import Policy

extension Controller {
    /// Whether what the policy in force means may depend on the host's workloads.
    package func namesWorkloads() throws -> Bool {
        guard let generation = try generationInForce() else { return false }
        let kept = try instance.keptPolicy(generation)
        let policy = PolicyLoader(files: MemoryFiles(kept: kept.files)).read(kept.files.first?.path ?? "")
        return policy.namesWorkloads
    }
}
