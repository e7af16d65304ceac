// SPDX-License-Identifier: Apache-2.0
import Glibc
import Host
import Libbpf

/// What monitoring asks for again and again: figures of the policy in force that need no look at devices.
public struct InstanceFigures: Sendable {
    /// How full a dynamic group is.
    public struct GroupFill: Sendable, Hashable {
        public var name: String
        public var members: Int
        public var maximum: Int

        package init(name: String, members: Int, maximum: Int) {
            self.name = name
            self.members = members
            self.maximum = maximum
        }
    }

    public var counters: Counters
    /// Seconds since 1970.
    public var loadedAt: UInt64
    /// nil: none is open.
    public var trial: Status.OpenTrial?
    /// How many names are in quarantine, those included that mean no port now.
    public var quarantined: Int
    /// Dynamic groups, in the policy's order.
    public var groups: [GroupFill]
    /// Event streams that are being read.
    public var readers: Int
    /// Kernel memory of all maps of the instance.
    public var memoryBytes: Int

    package init(
        counters: Counters, loadedAt: UInt64 = 0, trial: Status.OpenTrial? = nil, quarantined: Int = 0,
        groups: [GroupFill] = [], readers: Int = 0, memoryBytes: Int = 0
    ) {
        self.counters = counters
        self.loadedAt = loadedAt
        self.trial = trial
        self.quarantined = quarantined
        self.groups = groups
        self.readers = readers
        self.memoryBytes = memoryBytes
    }
}

extension Instance {
    /// The figures of the policy in force.
    public func figures() throws(DatapathError) -> InstanceFigures {
        let maps = try openMaps()
        let image = try imageInForce(maps)
        return try DatapathError.naming("cannot read the figures") {
            let now = KernelClock.nanoseconds(CLOCK_BOOTTIME)
            return InstanceFigures(
                counters: try counters(maps, image), loadedAt: image.view.header.loaded_at,
                trial: openTrial(of: image, maps),
                quarantined: try maps.quarantine.all().count,
                groups: try image.view.groups.map { group in
                    InstanceFigures.GroupFill(
                        name: group.name,
                        members: try maps.members(group).map { try MemberTrie($0, now: now).memberCount() } ?? 0,
                        maximum: group.maximum)
                },
                readers: activeReaders(maps),
                memoryBytes: maps.memory + image.memory + GenerationHistory(self).memory)
        }
    }
}
