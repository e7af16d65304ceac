// SPDX-License-Identifier: Apache-2.0
import Host

/// Hooks that programs were put on just now, to be taken off again if what they are for fails.
struct AttachedHooks {
    private var hooks: [(attachment: Attachment, hook: HookName, namespace: String?)] = []

    /// Notes what was attached at a device of a network namespace.
    mutating func add(_ outcome: DeviceAttacher.Outcome, at attachment: Attachment, in namespace: String?) {
        hooks += outcome.attached.map { (attachment, $0, namespace) }
    }

    /// What cannot be taken off has no record in a policy, so it lets packets pass, and the next apply removes it.
    func takeOff() {
        for (attachment, hook, namespace) in hooks {
            try? NetworkNamespace.with(namespace) { () throws(DatapathError) in try attachment.detach(hook) }
        }
    }
}
