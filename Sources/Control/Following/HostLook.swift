// SPDX-License-Identifier: Apache-2.0
import Datapath
import Policy

/// Something about a port or a device that is not as the policy in force was applied.
package struct HostFinding: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        /// A device came that an entry means, and is not judged.
        case came
        /// The device is gone.
        case gone
        /// The device has another name, or another bridge.
        case changed
        /// Somebody took a program of ours off a hook.
        case lost
        /// The gate of a bridge is not as the policy wants it.
        case gate
        /// Another program sees packets before ours.
        case ahead
        /// An operator detached it.
        case detached
        /// What is known of the host's workloads changed.
        case inventory
    }

    package var kind: Kind
    /// The port's name; where there is no port yet, `entry/device`.
    package var port: String
    /// The port's network namespace; nil is the agent's own.
    package var namespace: String?
    /// What was found, for people; others' names are in it.
    package var words: String

    package init(_ kind: Kind, port: String, in namespace: String? = nil, _ words: String) {
        self.kind = kind
        self.port = port
        self.namespace = namespace
        self.words = words
    }

    /// Whether applying the policy in force again is the remedy. While one is on trial, devices that come are taken,
    /// and those that lost their programs; all else waits.
    package func isRemedied(onTrial: Bool) -> Bool { isRemedied && (!onTrial || kind == .came || kind == .lost) }

    /// The same where no trial is open.
    package var isRemedied: Bool {
        switch kind {
        case .came, .gone, .changed, .lost, .gate, .inventory: true
        case .ahead, .detached: false
        }
    }

    /// Whether somebody changed what Bulkhead put there, and not only the host its devices.
    package var isDrift: Bool { kind == .lost || kind == .gate }

    /// Whether it may be left alone if it returns again and again. Not in another namespace: whoever rules that one
    /// could have himself left alone.
    package var mayBeLeft: Bool { isDrift && namespace == nil }
}

/// How the host is compared with what was applied.
package struct HostLook: Sendable {
    package var generation: UInt32
    package var findings: [HostFinding]
    /// The network namespaces whose devices the policy means; nil is the own one.
    package var namespaces: Set<String?>
    /// By port, the bridge that its device is a member of.
    package var bridges: [String: String]
    /// In the policy's order.
    package var ports: [LookedPort]
    /// Ports whose packets are judged.
    package var judgedPorts: Int
    /// Whether a trial is open; nothing can be applied then, and only devices that come, or lost their programs, are
    /// taken.
    package var isOnTrial: Bool

    init(_ status: Enforcement) {
        generation = status.generation
        isOnTrial = status.isOnTrial
        namespaces = Set(status.namespaces.map { $0 }).union([nil])
        bridges = Dictionary(
            status.ports.compactMap { port in port.bridge.map { (port.port.name, $0) } }, uniquingKeysWith: { $1 })
        ports = status.ports.map(LookedPort.init)
        judgedPorts = status.ports.count { $0.state == .enforcing || $0.state == .quarantined }
        findings = HostFinding.gates(status) + status.ports.flatMap(HostFinding.all) + HostFinding.comers(status)
    }

    /// What is to be remedied since an earlier look.
    package func findings(since earlier: HostLook?) -> [HostFinding] {
        guard let earlier, earlier.generation == generation else { return findings }
        let moved = bridges.keys.union(earlier.bridges.keys).filter { earlier.bridges[$0] != bridges[$0] }
        let known = Set(findings.map(\.port))
        return findings
            + moved.sorted().filter { !known.contains($0) }.map {
                HostFinding(.changed, port: $0, bridges[$0].map { "joined bridge \($0)" } ?? "left its bridge")
            }
    }
}

extension Dictionary.Keys where Key == String {
    fileprivate func union(_ other: Self) -> Set<String> { Set(self).union(other) }
}

extension HostFinding {
    fileprivate static func all(_ status: Status.PortStatus) -> [HostFinding] {
        let name = status.port.name
        let problem = withoutAdvice(status.problems.joined(separator: "; "))
        var result = status.ahead.map { HostFinding(.ahead, port: name, "\($0) sees packets first") }
        switch status.change {
        case .came: result.append(HostFinding(.came, port: name, "device '\(status.port.interface)' came"))
        // The operator wants to know that a host's device is missing.
        case .gone where status.port.protects == .workload: result.append(HostFinding(.gone, port: name, "is gone"))
        case .renamed:
            result.append(HostFinding(.changed, port: name, "its device is called '\(status.port.interface)' now"))
        case .moved: result.append(HostFinding(.changed, port: name, "its entry does not mean the device any more"))
        case .lost: result.append(HostFinding(.lost, port: name, in: status.port.namespace, problem))
        case .detached: result.append(HostFinding(.detached, port: name, "was detached"))
        case .gone, nil: break
        }
        return result
    }

    /// A status tells the operator what to do; here it is done.
    private static func withoutAdvice(_ words: String) -> String { words.replacing(": apply again", with: "") }

    /// By entry: its ports have the same gate.
    fileprivate static func gates(_ status: Enforcement) -> [HostFinding] {
        let problems = status.ports.compactMap { port in port.gateProblem.map { (port.port.entry, $0) } }
        return Dictionary(problems) { first, _ in first }.sorted { $0.key < $1.key }.map {
            HostFinding(.gate, port: $0.key, withoutAdvice($0.value))
        }
    }

    /// Devices that no port has yet. The ports of an entry have the same list.
    fileprivate static func comers(_ status: Enforcement) -> [HostFinding] {
        let named = Set(status.ports.map { "\($0.port.entry)/\($0.port.interface)" })
        var entries: Set<String> = []
        return status.ports.filter { entries.insert($0.port.entry).inserted }.flatMap { port in
            (port.uncovered ?? []).map { "\(port.port.entry)/\($0)" }.filter { !named.contains($0) }.map {
                HostFinding(.came, port: $0, "came")
            }
        }
    }
}

extension Controller {
    /// Compares the host with what was applied.
    ///
    /// - Returns: nil: no policy is in force.
    package func look() throws(DatapathError) -> HostLook? {
        do throws(DatapathError) {
            return HostLook(try instance.enforcement())
        } catch {
            guard (try? generationInForce()) ?? nil == nil else { throw error }
            return nil
        }
    }

    /// Applies the policy in force again, as it was read, to the devices that there are now: attached is what came,
    /// and what lost its programs; detached is what is not meant any more.
    ///
    /// - Parameter always: Also where a look would find nothing.
    package func follow(always: Bool = false) throws -> AppliedPolicy? {
        var isFirst = true
        return try takeDevices { status in
            defer { isFirst = false }
            if always, isFirst || status.file == ClosedPolicy.name { return true }
            return HostLook(status).findings.contains { $0.isRemedied(onTrial: status.isOnTrial) }
        }
    }
}
