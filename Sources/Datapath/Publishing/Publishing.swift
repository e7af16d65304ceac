// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Glibc
import Libbpf

/// How a policy, and a build's programs, come into force: each by one word, or one entry of a map.
extension Instance {
    /// Takes the lock under which an image is published, or the quarantine or a group changed, so that none misses the
    /// other. An apply takes it only after everything that needs time. Waits about five seconds at most.
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
        /// It is kept, and asked what it passed without a flow.
        case kept
        /// The new one is the same policy: the one before both stays.
        case same
        case gone
    }

    /// Puts an image in force, with quarantined devices cut off.
    ///
    /// - Parameters:
    ///   - trial: when its trial ends, in nanoseconds of CLOCK_BOOTTIME; nil: it stays in force.
    ///   - renamed: ports whose device has a new name. One that is cut off stays so under the new name: renaming a
    ///     device is not a way out.
    func publish(
        _ map: Map, before: Before, trial: UInt64? = nil, renamed: [(from: String, to: String)] = [],
        _ maps: InstanceMaps
    ) throws {
        let lock = try lockPublishing()
        // A new image does not mark any device yet.
        let held = try maps.quarantine.all()
        let followers = renamed.filter { held.contains($0.from) && !held.contains($0.to) }.map(\.to)
        for name in followers { try maps.quarantine.insert(name) }
        let names = held.union(followers)
        if !names.isEmpty { try LiveImage(map).mark(names, in: Mapping(map, writable: true)) }
        // At each change of a slot the kernel waits until every CPU has left what was there.
        try gracePeriods.expedited {
            if let trial { return try putOnTrial(map, until: trial, maps) }
            if before == .kept {
                try LiveImage.withPublished(in: maps) {
                    try maps.setInner(.slots, BH_SLOT_BEFORE.rawValue, to: $0)
                }
            }
            try maps.putInForce(map)
            if before == .gone, try maps[.slots].lookup(BH_SLOT_BEFORE.rawValue, as: UInt32.self) != nil {
                try maps[.slots].delete(BH_SLOT_BEFORE.rawValue)
            }
        }
        _ = consume lock
    }

    /// Puts an image on trial. Its base is told before, so that it knows what to go on with whatever becomes of this
    /// process.
    private func putOnTrial(_ map: Map, until: UInt64, _ maps: InstanceMaps) throws {
        let trial = try LiveImage(map)
        var base: UInt32 = 0
        if let map = try maps.inner(.slots, maps.slotInForce(), name: "policy image") {
            let image = try LiveImage(map)
            image.prepare(for: trial, in: try Mapping(map, writable: true))
            base = image.generation
        }
        try maps.putOnTrial(map, trial.generation, base: base, until: until)
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
