// SPDX-License-Identifier: Apache-2.0
import Analysis
import Datapath
import Host
import Network
import Policy

/// One instance of Bulkhead on this host. Each question and each change is a call with a typed result; nothing is
/// printed.
package struct Controller: Sendable {
    package static let standardInstance = Instance.standardName
    /// The folder that holds the folders of instances.
    package static let root = BPFFileSystem.root
    /// The host's setting that is changed for a moment at each apply and detach.
    package static let gracePeriodSetting = GracePeriods.standardSetting

    /// Where the last policy of an instance is kept on disk.
    package static let keptPath = "\(KeptPolicyFile.folder)/INSTANCE.policy"

    let instance: Instance

    /// - Throws: if no instance can have this name.
    package init(instance name: String) throws(DatapathError) { instance = try Instance(name) }

    // MARK: Policies

    /// - Parameter isLive: Whether to name the rules that have matched no packet in force.
    package func check(_ path: String, isLive: Bool = false) throws(DatapathError) -> CheckReport {
        try CheckReport(path: path, instance: instance, isLive: isLive)
    }

    /// Warnings about names in quarantine that a policy does not have.
    package func quarantineWarnings(_ source: PolicySource) -> [String] { source.quarantineWarnings(instance) }

    /// Reads a policy that is to be put in force here, and compiles it.
    package func prepare(_ path: String) throws -> PreparedPolicy { try PreparedPolicy.read(path, for: instance) }

    /// Compiles a policy that somebody has sent with all of its files; no other file is read for it.
    ///
    /// - Parameter files: Its own first.
    package func prepare(_ files: [RecordingFiles.File]) throws -> PreparedPolicy {
        try PreparedPolicy(
            PolicySource(
                recording: RecordingFiles(MemoryFiles(kept: files), limit: HistoryBounds.standard.bytes),
                files.first?.path ?? "", for: instance, requiresDevices: true),
            proves: true)
    }

    /// The files of a policy, as this user may read them; nil: they are too large to be sent.
    package func files(of path: String) throws -> [RecordingFiles.File]? {
        try PolicySource(path: path, for: instance, requiresDevices: true).files
    }

    /// Puts a policy in force, and remembers who did, and why. While somebody else changes the instance, such as the
    /// agent, who needs some tens of milliseconds, it waits, for five seconds at most.
    ///
    /// - Parameters:
    ///   - generation: The generation that it is taken from; nil: it was read from files.
    ///   - seconds: How long it is on trial; nil: it stays in force.
    ///   - person: Who it is for; nil: who runs this process.
    package func apply(
        _ policy: PreparedPolicy, because message: String?, rollbackOf generation: UInt32? = nil,
        trial seconds: Int? = nil, by person: Operator? = nil
    ) throws -> ApplyReport {
        try waiting(.seconds(5)) {
            try policy.apply(
                to: instance, ApplyNote.now(message, rollbackOf: generation, by: person), trial: seconds)
        }
    }

    /// Where the policy in force is kept on disk for the next start of the host.
    var keptFile: KeptPolicyFile { KeptPolicyFile(instance: instance.name) }

    /// Keeps a policy that was put in force, for the next start of the host; forgets it if it filters nothing, because
    /// a host that falls back on that would be open.
    ///
    /// - Returns: what could not be done, for people.
    @discardableResult
    package func keep(_ policy: PreparedPolicy) -> String? {
        keep(policy.ruleset.entries.isEmpty ? nil : policy.source.files)
    }

    /// - Parameter files: nil: what was kept is forgotten.
    private func keep(_ files: [RecordingFiles.File]?) -> String? {
        do {
            if let files {
                try keptFile.write(files)
            } else {
                try keptFile.remove()
            }
            return nil
        } catch {
            return "the policy is in force, but could not be kept in \(keptFile.path): \(error)"
        }
    }

    // MARK: Trials

    /// Keeps the policy that is on trial.
    ///
    /// - Parameter generation: nil: whichever is on trial.
    package func confirm(_ generation: UInt32? = nil) throws(DatapathError) -> TrialReport {
        var report = try instance.confirm(generation)
        if let warning = keepConfirmed(report.trial) { report.warnings.append(warning) }
        report.warnings += takeDevicesAfterTrial()
        return report
    }

    /// Keeps the policy of a trial for the next start of the host, as it was read when the trial began.
    private func keepConfirmed(_ generation: UInt32) -> String? {
        let kept = try? instance.keptPolicy(generation)
        let source = kept.flatMap { try? PolicySource(kept: $0, of: instance, requiresDevices: false) }
        return keep(source?.loaded.ruleset?.entries.isEmpty == false ? kept?.files : nil)
    }

    /// Ends the trial, if there is one: what was in force before is in force again.
    ///
    /// - Parameter generation: Whose trial; nil: whichever is on trial.
    package func endTrial(of generation: UInt32? = nil) throws(DatapathError) -> TrialReport? {
        var report = try instance.endTrial(of: generation)
        if report?.inForce != nil { report?.warnings += takeDevicesAfterTrial() }
        return report
    }

    /// Takes the devices that came during a trial: nothing could be applied to them then.
    ///
    /// - Returns: what is to be said of it, for people.
    private func takeDevicesAfterTrial() -> [String] {
        do {
            guard let applied = try takeDevices() else { return [] }
            return applied.report.warnings + [
                "devices came during the trial: generation \(applied.report.generation) has them"
            ]
        } catch {
            return ["devices that came during the trial were not taken: \(error)"]
        }
    }

    /// The trial that is open, and how many nanoseconds are left of it.
    package func trial() throws(DatapathError) -> (generation: UInt32, left: UInt64)? { try instance.trialNow() }

    /// The generation in force; nil: none.
    package func generationInForce() throws(DatapathError) -> UInt32? { try instance.generationInForce() }

    // MARK: Questions about policies

    /// Prepares the programs to judge this host's own packets by a policy that is not in force yet.
    func judge(_ policy: PreparedPolicy) throws -> PolicyJudge {
        try PolicyJudge(policy, instance, isOfThisHost: true)
    }

    /// How devices are filtered now; empty where no policy is in force.
    func filteredNow() -> [DeviceID: LockoutCheck.Present] {
        let ports = (try? instance.status().ports) ?? []
        let all = ports.compactMap { status -> (DeviceID, LockoutCheck.Present)? in
            guard let index = status.interfaceIndex, let namespace = NetworkNamespace.inode(status.port.namespace)
            else { return nil }
            let isFiltered = status.state == .enforcing || status.state == .quarantined
            return (
                DeviceID(namespace: namespace, index: index),
                .init(entry: status.port.entry, protects: status.port.protects, isFiltered: isFiltered)
            )
        }
        return Dictionary(all) { first, _ in first }
    }

    /// What putting a policy in force would do.
    package func rehearse(_ policy: PreparedPolicy) -> ApplyReport { policy.rehearse(on: instance) }

    /// What changes if a policy's file takes the place of another, or of the policy in force.
    ///
    /// - Parameters:
    ///   - old: nil: the policy in force, whose open flows are then judged by the new one.
    ///   - flows: A file of flows to be judged instead.
    package func compare(_ old: String?, with new: String, flows: String?) throws -> PolicyDifference {
        let before =
            try old.map { try PolicySource(path: $0, for: instance, requiresDevices: false) } ?? sourceInForce()
        let after = try PolicySource(path: new, for: instance, requiresDevices: false)
        var open: [ComparedFlow]?
        if let flows {
            open = try ComparedFlow.read(file: flows)
        } else if old == nil {
            open = try self.flows().map { ComparedFlow($0) }
        }
        return try PolicyDifference(from: before, to: after, flows: open)
    }

    /// Who can reach whom, by a policy's file or by the policy in force.
    package func reach(_ question: ReachQuestion, policy: String?) throws -> Reach {
        try question.answer(
            try policy.map { try PolicySource(path: $0, for: instance, requiresDevices: false) } ?? sourceInForce())
    }

    /// The policy in force, with its files of addresses as they were; where these were too large to be kept, as they
    /// are now.
    private func sourceInForce() throws(DatapathError) -> PolicySource {
        let policy = try policyInForce()
        if let kept = try? instance.keptPolicy(policy.text.generation) {
            return try PolicySource(kept: kept, of: instance, requiresDevices: false)
        }
        return try PolicySource(inForce: policy, of: instance, readsFeeds: true)
    }

    package func policyInForce() throws(DatapathError) -> PolicyInForce { try instance.policyInForce() }

    /// The generations that are remembered, the newest first.
    package func generations() throws(DatapathError) -> [PastGeneration] { try instance.generations() }

    /// The text of a generation that is remembered; nil: of that in force.
    package func policyText(_ generation: UInt32?) throws(DatapathError) -> PolicyText {
        guard let generation, try generation != instance.generationInForce() else {
            return try instance.policyTextInForce()
        }
        return try instance.keptPolicy(generation).text
    }

    /// The policy to go back to, read again as its files were.
    ///
    /// - Parameter generation: nil: the latest with another policy than that in force.
    package func past(_ generation: UInt32?) throws -> PastPolicy { try PastPolicy(generation, of: instance) }

    /// Prepares the programs to judge by a policy's file; with nil, by the policy in force.
    ///
    /// - Parameter keepsFlows: Whether a frame's flow is kept for the next frame.
    package func judge(policy: String?, keepsFlows: Bool = false) throws -> PolicyJudge {
        try PolicyJudge(policy: policy, instance: instance, keepsFlows: keepsFlows)
    }

    /// What becomes of a packet on its way, as the kernel would carry it now.
    ///
    /// - Parameter isLive: Whether to look what else on the way can drop it.
    package func explain(
        _ question: ExplainQuestion, by judge: PolicyJudge, isLive: Bool = false
    ) throws -> (ends: ExplainedEnds, explanation: Explanation) {
        let network = KernelNetwork()
        var (ends, explanation) = try question.answer(by: judge, network)
        guard isLive else { return (ends, explanation) }
        let search = ObstacleSearch(
            network: network, family: ends.family,
            programs: { try instance.otherPrograms(on: $0, inNamespaceCalled: $1) },
            filters: { PacketFilter(ofNamespaceCalled: $0) })
        (explanation.obstacles, explanation.unseen) = search.search(explanation.ways.compactMap(\.way))
        return (ends, explanation)
    }

    // MARK: What the kernel does

    package func status() throws(DatapathError) -> Status {
        var status = try instance.status()
        status.refusedGuests = refusedGuests(status.ports)
        return status
    }

    /// What passes unjudged although the policy in force means it, one line each; for people.
    package func warnings() throws(DatapathError) -> [String] { try instance.warnings() }

    package func counters() throws(DatapathError) -> Counters { try instance.counters() }

    /// The flows that are asked for, sorted by port and ends.
    package func flows(_ question: FlowQuestion = FlowQuestion()) throws -> [ListedFlow] {
        try instance.flows(try question.filter(serviceNames))
    }

    /// Whether a question about flows can be answered.
    package func checkFlows(_ question: FlowQuestion) throws {
        try instance.checkFlows(try question.filter(serviceNames))
    }

    /// Ends the flows that are asked for, so that their next packets are judged anew; returns how many.
    package func endFlows(_ question: FlowQuestion) throws -> Int {
        try instance.endFlows(try question.filter(serviceNames))
    }

    private var serviceNames: ServiceNames { ServiceNames { (try? rulesetInForce())?.services ?? [:] } }

    /// The policy in force, read again.
    private func rulesetInForce() throws -> Ruleset? {
        try PolicySource(inForce: policyInForce(), of: instance).loaded.ruleset
    }

    // MARK: Ports

    package func detach(ports: [String]) throws(DatapathError) -> DetachReport { try instance.detach(ports: ports) }

    package func detachAll() throws(DatapathError) -> DetachReport {
        var report = try instance.detachAll()
        do {
            try keptFile.remove()
        } catch {
            report.warnings.append("\(keptFile.path) could not be removed: \(error)")
        }
        return report
    }

    /// - Parameter port: An entry, `entry/device` or a device.
    package func quarantine(_ port: String) throws(DatapathError) -> QuarantineReport { try instance.quarantine(port) }

    /// - Parameter port: The same, or a quarantined name that the policy does not have.
    package func release(_ port: String) throws(DatapathError) -> QuarantineReport { try instance.release(port) }

    /// Ends every quarantine.
    package func releaseAll() throws(DatapathError) -> QuarantineReport { try instance.releaseAll() }

    // MARK: Dynamic groups

    /// All of them, or the one of a name, with what its `except` takes away.
    package func groups(_ name: String? = nil) throws -> [GroupMembers] {
        let groups = try explaining(name) { try instance.groups(name) }
        guard name != nil, let ruleset = try? rulesetInForce() else { return groups }
        return groups.map { $0.noting(exceptionsOf: ruleset) }
    }

    /// - Parameter seconds: How long they stay; nil: as the group says.
    package func add(_ prefixes: [Prefix], to group: String, seconds: Int? = nil) throws -> GroupChange {
        try explaining(group) { try instance.add(prefixes, to: group, seconds: seconds) }
    }

    package func delete(_ prefixes: [Prefix], from group: String) throws -> GroupChange {
        try explaining(group) { try instance.delete(prefixes, from: group) }
    }

    /// Takes all members out.
    package func flush(_ group: String) throws -> GroupChange { try explaining(group) { try instance.flush(group) } }

    /// Runs `body`; if it fails for a group of the policy that is not dynamic, the error says so.
    private func explaining<Result>(_ group: String?, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as DatapathError {
            guard let group, let ruleset = try? rulesetInForce(), ruleset.groups.contains(where: { $0.name == group }),
                !ruleset.dynamicGroups.contains(where: { $0.name == group })
            else { throw error }
            throw Refusal(
                "group '\(group)' is not dynamic: its members are those that the policy names",
                advice: "give it \"dynamic: {}\" in the policy and apply it, or change the policy")
        }
    }

    // MARK: Streams

    /// Reads the counters now and after every interval, until `isEnded`. Blocks the calling thread.
    package func followCounters(
        every interval: Duration, until isEnded: @autoclosure () -> Bool, _ body: (Counters) throws -> Void
    ) throws {
        while !isEnded() {
            try body(try counters())
            Pause.wait(interval, until: isEnded)
        }
    }

    /// Starts a stream of drops, and of logged accepts if they are asked for. Earlier events are not in it.
    ///
    /// - Parameter look: Called at once, and then every few seconds on a thread of its own, while the stream lives.
    package func events(
        _ question: EventQuestion, looking look: (@Sendable () -> Void)? = nil
    ) throws -> EventStream {
        try EventStream(
            try instance.events(try question.filter(serviceNames)), atMost: question.count, looking: look)
    }
}
