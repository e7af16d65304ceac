// SPDX-License-Identifier: Apache-2.0
import Policy

/// What a source of workloads tells. The order in which workloads are told first is that of their age.
package enum WorkloadUpdate: Sendable, Hashable {
    /// A workload came, or is another one now.
    case add(Workload)
    /// The workload of this id left.
    case remove(String)
    /// These are all.
    case sync([Workload])
}

/// Something that knows workloads of this host.
package protocol WorkloadSource: Sendable {
    /// What it is called in the log, and in the list that is kept.
    var name: String { get }

    /// Tells what there is, and then what changes. Blocks the calling thread for as long as the source lasts.
    func follow(_ teller: WorkloadTeller)
}

/// Takes what a source tells.
package struct WorkloadTeller: Sendable {
    package let tell: @Sendable (WorkloadUpdate) -> Void
    /// Takes words for people about what keeps the source from telling. What it told before holds until then.
    package let fail: @Sendable (String) -> Void
    /// Takes words for people about one workload that cannot be told of; the others are.
    package let warn: @Sendable (String) -> Void

    package init(
        tell: @escaping @Sendable (WorkloadUpdate) -> Void, fail: @escaping @Sendable (String) -> Void,
        warn: @escaping @Sendable (String) -> Void
    ) {
        self.tell = tell
        self.fail = fail
        self.warn = warn
    }

    /// Tells all workloads of a source, and says which of them it cannot describe.
    func sync(_ workloads: [Workload], of source: String) {
        tell(.sync(workloads))
        warnOfRefused(workloads, of: source)
    }

    func warnOfRefused(_ workloads: [Workload], of source: String) {
        for refusal in workloads.compactMap(\.refusal) { warn("\(source): \(refusal)") }
    }
}
