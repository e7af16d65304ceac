// SPDX-License-Identifier: Apache-2.0
import Compiler
import Policy

/// What is enforced, as read from the kernel.
public struct Status: Sendable {
    /// What becomes of a port's packets.
    public enum State: String, Sendable, Hashable {
        /// They are judged by the policy.
        case enforcing
        /// None passes.
        case quarantined
        /// There is no device, and so no packet.
        case missing
        /// They pass: the device is there and has no program of ours on a hook that judges.
        case unfiltered
        /// They pass, because the port was detached.
        case detached
    }

    /// What became of a port since the policy was applied.
    public enum Change: Sendable, Hashable {
        /// A device came in its place.
        case came
        /// Its device is gone.
        case gone
        /// Its device has another name.
        case renamed
        /// The entry does not mean its device any more.
        case moved
        /// A program of ours was taken off a hook.
        case lost
        /// It was detached, on purpose.
        case detached
    }

    public struct PortStatus: Sendable, Hashable {
        /// A missing device's names are those of the apply.
        public var port: Port
        /// nil if the device is missing.
        public var interfaceIndex: UInt32?
        /// nil if no packet is judged.
        public var mode: EnforcementMode?
        /// Where a program of this instance runs: of `xdp`, `tc-ingress`, `tc-egress`.
        public var hooks: [String]
        public var state: State
        /// Other programs that see packets before ours do.
        public var ahead: [String]
        /// What is not as it was applied: a hook that was taken off, a device that was replaced.
        public var problems: [String]
        /// Whether what the policy wants of this port is so: its packets are judged at all of its hooks, or there are
        /// none. The device of a workload may be missing, as it may at the apply.
        public var isAsIntended: Bool = true
        /// Of an entry that names a bridge, or devices by patterns: the devices that it means and that pass unjudged.
        public var uncovered: [String]?
        /// The port's id in events and counters.
        public var device: UInt16
        /// Index of the port's record in the image.
        public var record: Int
        /// Whether all packets are dropped because nobody named the device, or because its guest is refused.
        public var isNotAdmitted = false
        /// Guards in force at the port.
        public var guards: Set<Guard> = []
        public var change: Change?
        /// Of an entry that names a bridge: what holds new ports of it now.
        public var gate: PortEntry.Gate?
        /// Why its gate is not as the policy wants it.
        public var gateProblem: String?
        /// The bridge that its device is a member of now.
        public var bridge: String?
    }

    /// A bridge that has judged members, and others that no entry of the policy means.
    public struct Bridge: Sendable, Hashable {
        public var name: String
        public var namespace: String?
        /// The others.
        public var uncovered: [String]
    }

    /// A guest that the inventory refuses: all packets of its device are dropped.
    public struct RefusedGuest: Sendable, Hashable {
        public var port: Port
        /// The guest's name; nil: the inventory does not have it any more.
        public var workload: String?
        /// For people; others' names are in it.
        public var why: String

        public init(port: Port, workload: String?, why: String) {
            self.port = port
            self.workload = workload
            self.why = why
        }
    }

    /// A trial that is open.
    public struct OpenTrial: Sendable, Hashable {
        /// The generation that is in force again after it; nil: none.
        public var base: UInt32?
        /// Nanoseconds since 1970, by the wall clock as it is now.
        public var until: UInt64
        /// Nanoseconds that are left of it.
        public var left: UInt64
        /// Ports of the base that the trial does not have: everything passes them until it ends.
        public var passing: [String]

        public init(base: UInt32?, until: UInt64, left: UInt64, passing: [String] = []) {
            self.base = base
            self.until = until
            self.left = left
            self.passing = passing
        }
    }

    public var instance: String
    public var generation: UInt32
    /// Whether the policy in force is on trial; nil: it stays.
    public var trial: OpenTrial?
    /// The policy's own file, as it was given.
    public var file: String
    /// Of the policy's text, see ``PolicyText/sha256``.
    public var sha256: String
    /// Of the policy image, in hexadecimal.
    public var imageHash: [UInt8] = []
    /// Seconds since 1970.
    public var loadedAt: UInt64
    public var ports: [PortStatus]
    public var bridges: [Bridge] = []
    /// Asking the kernel leaves it empty: the inventory knows.
    public var refusedGuests: [RefusedGuest] = []
    /// Kernel memory of all maps of the instance, image included.
    public var memoryBytes: Int
    public var classifier: ClassifierFigures
    public var flows: FlowTotals
    /// Event streams that are being read.
    public var readers: Int
    /// Names in quarantine, including those that mean no port now.
    public var quarantine: [String]
    /// Dynamic groups, in the policy's order.
    public var groups: [GroupMembers]
}

/// What is enforced at which port: the part of a ``Status`` that tells whether devices came, went or were changed, and
/// that costs little enough to be asked for again and again.
public struct Enforcement: Sendable {
    public var generation: UInt32
    /// The policy's own file, as it was given.
    public var file: String
    /// nil: no trial is open.
    public var trial: Status.OpenTrial?
    public var isOnTrial: Bool { trial != nil }
    public var ports: [Status.PortStatus]
    /// The network namespaces that the policy names.
    public var namespaces: Set<String>
}

extension Status {
    /// Whether every port is enforced as the policy wants it.
    public var isAsIntended: Bool {
        refusedGuests.isEmpty
            && ports.allSatisfy { $0.isAsIntended && ($0.uncovered ?? []).isEmpty && $0.gateProblem == nil }
    }

    /// What passes unjudged although the policy means it, one line each; for people.
    public var warnings: [String] { Status.warnings(ports) }

    static func warnings(_ ports: [PortStatus]) -> [String] {
        let named = Set(ports.map { "\($0.port.entry)/\($0.port.interface)" })
        let lines = ports.filter { !$0.isAsIntended }.map { port in
            let why = port.problems.joined(separator: "; ")
            return "port '\(port.port.name)' is \(port.state.rawValue)" + (why.isEmpty ? "" : ": \(why)")
        }
        // The ports of an entry have the same list. Whoever owns a namespace may fill it with devices.
        var entries: Set<String> = []
        let others = ports.filter { entries.insert($0.port.entry).inserted }.flatMap { port -> [String] in
            let entry = port.port.entry
            let devices = (port.uncovered ?? []).filter { !named.contains("\(entry)/\($0)") }
            let told = devices.prefix(3).map {
                "device '\($0)' of '\(entry)' is unfiltered: it came after the apply; apply again"
            }
            let rest = devices.count - told.count
            return told + (rest > 0 ? ["\(rest) more of '\(entry)' are unfiltered: see bulkhead status"] : [])
        }
        return lines + others
    }
}
