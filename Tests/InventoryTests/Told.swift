// SPDX-License-Identifier: Apache-2.0
import Glibc
import Policy
import Synchronization

@testable import Inventory

/// What a source told.
final class Told: Sendable {
    let updates = Mutex<[WorkloadUpdate]>([])
    let words = Mutex<[String]>([])

    var teller: WorkloadTeller {
        WorkloadTeller(
            tell: { [self] update in updates.withLock { $0.append(update) } },
            fail: { [self] text in words.withLock { $0.append(text) } },
            warn: { [self] text in words.withLock { $0.append(text) } })
    }

    /// What all that was told comes to.
    var workloads: [Workload] {
        var list = WorkloadList()
        for update in updates.withLock({ $0 }) { _ = list.take(update, from: "x") }
        return list.workloads
    }

    /// Whether it comes to something within some seconds.
    func becomes(_ condition: ([Workload]) -> Bool) -> Bool {
        for _ in 0..<2000 {
            if condition(workloads) { return true }
            usleep(10_000)
        }
        return false
    }
}
