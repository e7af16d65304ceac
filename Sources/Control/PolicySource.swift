// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Host
import Inventory
import Policy

/// A policy as it was read, and the host that it was read for.
package struct PolicySource {
    /// The policy's file, as messages call it.
    package let path: String
    package let loaded: LoadedPolicy
    package let host: HostInventory
    /// The files that it was read from, its own first; nil: they are too large to be kept.
    package let files: [RecordingFiles.File]?

    /// Reads a policy from its file.
    ///
    /// - Parameters:
    ///   - instance: Whose agent knows the workloads of this host.
    ///   - requiresDevices: whether a host device that does not exist is an error.
    package init(path: String, for instance: Instance?, requiresDevices: Bool) throws(DatapathError) {
        try self.init(DiskFiles(), path, instance, requiresDevices: requiresDevices)
    }

    /// Reads a policy that is to be put in force even if devices that it names are not there yet.
    init(
        awaitingDevices files: some PolicyFiles, _ path: String, for instance: Instance?
    ) throws(DatapathError) {
        try self.init(files, path, instance, requiresDevices: true, awaitsDevices: true)
    }

    init(path: String, loaded: LoadedPolicy, host: HostInventory, files: [RecordingFiles.File]?) {
        self.path = path
        self.loaded = loaded
        self.host = host
        self.files = files
    }

    /// Reads again the policy that an instance holds, for the devices that this host has now.
    ///
    /// - Parameter readsFeeds: whether its files of addresses, which are not kept, are read as they are on disk now.
    package init(
        inForce policy: PolicyInForce, of instance: Instance, readsFeeds: Bool = false
    ) throws(DatapathError) {
        let files = FilesInForce(policy.files, readsFeeds: readsFeeds)
        try self.init(files, policy.files.first?.name ?? "", instance, requiresDevices: false)
    }

    /// Reads again a policy of the past, as its files were then, for the devices that this host has now.
    ///
    /// - Parameters:
    ///   - requiresDevices: Whether a host device that does not exist is an error.
    ///   - awaitsDevices: Whether those that are missing come later.
    package init(
        kept policy: KeptPolicy, of instance: Instance, requiresDevices: Bool = true, awaitsDevices: Bool = false
    ) throws(DatapathError) {
        try self.init(
            MemoryFiles(kept: policy.files), policy.files.first?.path ?? "", instance,
            requiresDevices: requiresDevices, awaitsDevices: awaitsDevices)
    }

    private init(
        _ files: some PolicyFiles, _ path: String, _ instance: Instance?, requiresDevices: Bool,
        awaitsDevices: Bool = false
    ) throws(DatapathError) {
        try self.init(
            recording: RecordingFiles(files, limit: requiresDevices ? HistoryBounds.standard.bytes : 0), path,
            for: instance, requiresDevices: requiresDevices, awaitsDevices: awaitsDevices)
    }

    /// - Parameter recording: May have read some of the files already, which are not read again then.
    init(
        recording: RecordingFiles, _ path: String, for instance: Instance?, requiresDevices: Bool,
        awaitsDevices: Bool = false
    ) throws(DatapathError) {
        let policy = PolicyLoader(files: recording).read(path)
        var host = try DatapathError.of { () throws(HostError) in
            try HostInventory.read(namespaces: policy.namespaces)
        }
        if awaitsDevices, let instance { host = instance.knowingRenamed(host) }
        host.isStarting = awaitsDevices
        host.workloads = instance.flatMap { WorkloadFile(instance: $0.name).read()?.workloads }
        self.host = host
        loaded = policy.resolve(against: host, requiresDevices: requiresDevices)
        self.path = path
        self.files = recording.kept
    }

    /// The devices of this process's network namespace.
    static func devicesOfThisHost() throws(DatapathError) -> [HostInterface] {
        try DatapathError.of { () throws(HostError) in try HostInventory.read() }.namespaces[nil]?.interfaces ?? []
    }

    /// The ruleset of a policy that must be valid.
    package func required() throws(Refusal) -> Ruleset {
        guard let ruleset = loaded.ruleset else {
            let errors = loaded.diagnostics.count { $0.severity == .error }
            throw Refusal(
                "\(path) has \(errors == 1 ? "an error" : "\(errors) errors")", advice: "correct what is named above",
                diagnostics: loaded.diagnostics)
        }
        return ruleset
    }

    /// Warnings about an instance's quarantined names that this policy does not have; none if the instance does not
    /// exist, or may not be asked.
    package func quarantineWarnings(_ instance: Instance) -> [String] {
        guard let ruleset = loaded.ruleset, let names = try? instance.quarantined() else { return [] }
        return QuarantineCheck.strays(
            names, entries: ruleset.entries.map(\.name), ports: loaded.bindings.map(\.port))
    }
}

/// The files of a policy in force. Its lists of addresses are not kept. They are read from disk for those who ask for
/// groups, and as empty for others.
private struct FilesInForce: PolicyFiles {
    private let files: MemoryFiles
    private let readsFeeds: Bool

    init(_ files: [SourceFile], readsFeeds: Bool) {
        self.readsFeeds = readsFeeds
        self.files = MemoryFiles(Dictionary(files.map { ($0.name, $0.text) }) { first, _ in first })
    }

    func read(_ path: String, limit: Int, from source: FileSource) throws(FileError) -> [UInt8] {
        do {
            return try files.read(path, limit: limit, from: source)
        } catch  where error == .missing {
            return readsFeeds ? try DiskFiles().read(path, limit: limit, from: source) : []
        } catch {
            throw error
        }
    }

    func names(in directory: String) throws(FileError) -> [String] { try files.names(in: directory) }
}
