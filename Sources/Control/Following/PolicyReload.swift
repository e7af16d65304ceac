// SPDX-License-Identifier: Apache-2.0

extension Controller {
    /// Reads a policy's file and puts it in force, for one who runs unattended: while others change the instance, it
    /// waits. If the policy is refused, what is in force stays.
    package func load(_ path: String, because message: String) throws -> AppliedPolicy {
        let applied = try waiting {
            let prepared = try prepare(path)
            return AppliedPolicy(prepared: prepared, report: try apply(prepared, because: message))
        }
        keep(applied.prepared)
        return applied
    }
}
