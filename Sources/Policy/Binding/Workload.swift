// SPDX-License-Identifier: Apache-2.0
import Network

/// A guest of this host, as who started it knows it: a virtual machine or a container.
public struct Workload: Sendable, Hashable {
    /// A device of the host with the guest behind it.
    public struct Interface: Sendable, Hashable {
        /// The device's name on the host; nil: there is none now.
        public var device: String?
        public var mac: MACAddress?
        /// nil: not known; empty: the guest may have none.
        public var addresses: [Prefix]?

        public init(device: String?, mac: MACAddress? = nil, addresses: [Prefix]? = nil) {
            self.device = device
            self.mac = mac
            self.addresses = addresses
        }
    }

    /// What it keeps when it is renamed; unique.
    public var id: String
    public var name: String
    public var uuid: String?
    public var labels: [String: String]
    public var interfaces: [Interface]
    /// What it was called before, the latest first.
    public var formerNames: [String]
    /// Why its source cannot describe it: what is known of it is of before, and none of its devices is admitted.
    public var refusal: String?

    public init(
        id: String, name: String, uuid: String? = nil, labels: [String: String] = [:], interfaces: [Interface] = [],
        formerNames: [String] = [], refusal: String? = nil
    ) {
        self.id = id
        self.name = name
        self.uuid = uuid
        self.labels = labels
        self.interfaces = interfaces
        self.formerNames = formerNames
        self.refusal = refusal
    }
}

/// How a policy names workloads.
public enum WorkloadSelector: Sendable, Hashable {
    /// How closely a workload is named; the closer wins.
    enum Closeness: Int, Comparable {
        case pattern, exact
        static func < (left: Closeness, right: Closeness) -> Bool { left.rawValue < right.rawValue }
    }

    /// By name or UUID.
    case exact(String)
    case pattern(String)
    /// By labels, all of which it has; values may be patterns.
    case labels([String: String])

    /// nil: it is not meant.
    ///
    /// - Parameter names: What the workload is called.
    func closeness(to workload: Workload, called names: [String]) -> Closeness? {
        switch self {
        case .exact(let word):
            // UUIDs are written in either case.
            names.contains(word) || workload.uuid?.lowercased() == word.lowercased() ? .exact : nil
        case .pattern(let pattern): Glob(pattern).map { names.contains(where: $0.matches) } == true ? .pattern : nil
        case .labels(let labels):
            labels.allSatisfy { key, value in
                workload.labels[key].map { Glob(value)?.matches($0) ?? false } ?? false
            } ? .pattern : nil
        }
    }
}

extension WorkloadSelector: CustomStringConvertible {
    public var description: String {
        switch self {
        case .exact(let text), .pattern(let text): text
        case .labels(let labels):
            labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
        }
    }
}

/// One device of a workload that an entry of `ports` means.
public struct WorkloadPort: Sendable, Hashable {
    /// The workload's name.
    public var workload: String
    public var device: String
    public var mac: MACAddress?
    /// nil: not known.
    public var addresses: [Prefix]?
    /// Why the device is not admitted; all its packets are dropped then.
    public var refusal: String?
}
