// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Glibc
import Libbpf

/// How a policy, and a build's programs, come into force: by one update of one entry of a map each.
extension Instance {
    /// Taken for the moment in which an image is published, or the quarantine changed: so that neither misses the
    /// other. An apply holds it only after everything that takes time.
    func lockPublishing() throws(DatapathError) -> FileLock {
        for _ in 0..<5000 {
            if let lock = try mapFolder.lock() { return lock }
            guard mapFolder.exists else { throw notThere }
            usleep(1000)
        }
        throw DatapathError(
            "another bulkhead has been publishing a policy of instance '\(name)' for five seconds",
            advice: "see whether a process of that name is stopped, and try again")
    }

    /// What becomes of the policy that another one replaces.
    enum Before {
        /// It is kept, to be asked what it passed without a flow.
        case kept
        /// It is the same policy: the one before it stays.
        case same
        case gone
    }

    /// Puts an image in force, its quarantined devices cut off.
    ///
    /// - Parameter renamed: ports whose device has a new name. One that is cut off stays so under its new name too: to
    ///   rename a device is no way out.
    func publish(
        _ map: Map, before: Before, renamed: [(from: String, to: String)] = [], _ maps: InstanceMaps
    ) throws {
        let lock = try lockPublishing()
        // An image that was made just now marks no device yet.
        let held = try maps.quarantine.all()
        let followers = renamed.filter { held.contains($0.from) && !held.contains($0.to) }.map(\.to)
        for name in followers { try maps.quarantine.insert(name) }
        let names = held.union(followers)
        if !names.isEmpty { try LiveImage(map).mark(names, in: Mapping(map, writable: true)) }
        // The kernel waits until every CPU has left the old image.
        try gracePeriods.expedited {
            if before == .kept {
                try LiveImage.withPublished(in: maps) {
                    try maps.setInner(.slots, BH_SLOT_BEFORE.rawValue, to: $0)
                }
            }
            try maps.setInner(.slots, BH_SLOT_IN_FORCE.rawValue, to: map)
            if before == .gone, try maps[.slots].lookup(BH_SLOT_BEFORE.rawValue, as: UInt32.self) != nil {
                try maps[.slots].delete(BH_SLOT_BEFORE.rawValue)
            }
        }
        _ = consume lock
    }

    /// Removes the pins of maps that no map of maps holds any more, what an interrupted command left among them.
    func removeStaleInner(_ maps: InstanceMaps) throws {
        // Whoever puts a map in has pinned it before, under the same lock.
        let lock = try lockPublishing()
        try maps.innerMaps?.removeAll(except: try maps.innerIDs)
        _ = consume lock
    }
}

extension InstanceMaps {
    /// Puts a shared program where the devices' entry programs find it; what was there is replaced in one step.
    func publish(_ program: borrowing Program, at hook: HookName) throws(BPFError) {
        if hook == .xdp {
            try self[.xdpPrograms].update(hook.number, to: program)
        } else {
            try self[.tcPrograms].update(hook.number, to: program)
        }
    }
}
