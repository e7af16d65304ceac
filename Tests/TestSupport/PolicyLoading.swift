// SPDX-License-Identifier: Apache-2.0
import Policy

extension PolicyLoader {
    /// Reads a policy and resolves it against the host that `host` returns for the policy's network namespaces.
    public func load(
        _ path: String, requiresDevices: Bool = true, host: (Set<String>) -> HostInventory
    ) -> LoadedPolicy {
        let policy = read(path)
        let inventory = host(policy.namespaces)
        return policy.resolve(against: inventory, requiresDevices: requiresDevices)
    }
}
