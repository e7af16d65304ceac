import CHeap
import Compiler
import Datapath
import Policy

/// A policy as it was read, and the host that it was read for.
struct PolicySource {
    /// The policy's file, as messages call it.
    let path: String
    let loaded: LoadedPolicy
    let host: HostInventory

    /// Reads a policy from its file.
    ///
    /// - Parameter requiresDevices: whether a host device that does not exist is an error.
    init(path: String, requiresDevices: Bool) throws(DatapathError) {
        try self.init(PolicyLoader(), path, requiresDevices: requiresDevices)
    }

    /// Reads again the policy that an instance holds, for the devices that this host has now.
    init(inForce policy: PolicyInForce) throws(DatapathError) {
        let files = FilesInForce(policy.files)
        try self.init(PolicyLoader(files: files), policy.files.first?.name ?? "", requiresDevices: false)
    }

    /// Bytes that reading and compiling a policy of 10,000 rules takes, and more.
    private static let heapSize = 64 << 20

    private init(_ loader: PolicyLoader, _ path: String, requiresDevices: Bool) throws(DatapathError) {
        bulkhead_prepare_heap(PolicySource.heapSize)
        var failure: DatapathError?
        var host = HostInventory.empty
        loaded = loader.load(path, requiresDevices: requiresDevices) { namespaces in
            do throws(DatapathError) {
                host = try HostInventory.read(namespaces: namespaces)
            } catch {
                failure = error
            }
            return host
        }
        if let failure { throw failure }
        self.path = path
        self.host = host
    }

    /// The ruleset of a policy that must be valid. Its problems are told.
    func required() throws(Refusal) -> Ruleset {
        PolicySource.say(loaded.diagnostics)
        guard let ruleset = loaded.ruleset else {
            let errors = loaded.diagnostics.count { $0.severity == .error }
            throw Refusal(
                "\(path) has \(errors == 1 ? "an error" : "\(errors) errors")", advice: "correct what is named above")
        }
        return ruleset
    }

    /// What of an instance's quarantine this policy does not have. An instance that is not there, or may not be asked, has none.
    func quarantineWarnings(_ instance: Instance) -> [String] {
        guard let ruleset = loaded.ruleset, let names = try? instance.quarantined() else { return [] }
        return QuarantineCheck.strays(
            names, entries: ruleset.entries.map(\.name),
            bindings: loaded.bindings.map { ($0.name, ruleset.entries[$0.entry].name, $0.interfaceName) })
    }

    static func compile(_ ruleset: Ruleset) throws(Refusal) -> Image {
        do {
            return try Compiler().compile(ruleset)
        } catch {
            throw Refusal(
                "\(diagnostic(error, ruleset))",
                advice: "the policy is beyond what this version can hold: make it smaller there")
        }
    }

    /// Why a valid policy cannot be compiled, as `check` reports it.
    static func diagnostic(_ error: CompileError, _ ruleset: Ruleset) -> Diagnostic {
        let start = SourceLocation(file: ruleset.files.first?.name ?? "", line: 1, column: 1)
        return Diagnostic(.error, at: error.location ?? start, error.message, rule: error.rule)
    }

    static func say(_ diagnostics: [Diagnostic]) {
        for diagnostic in diagnostics { StandardError.line("\(diagnostic)") }
    }
}

/// The files of a policy in force. The lists of addresses that it read besides are not kept, and read as empty: nobody asks for groups here.
private struct FilesInForce: PolicyFiles {
    private let files: MemoryFiles

    init(_ files: [SourceFile]) {
        self.files = MemoryFiles(Dictionary(files.map { ($0.name, $0.text) }) { first, _ in first })
    }

    func read(_ path: String, limit: Int) throws(FileError) -> [UInt8] {
        do {
            return try files.read(path, limit: limit)
        } catch  where error == .missing {
            return []
        } catch {
            throw error
        }
    }

    func names(in directory: String) throws(FileError) -> [String] { try files.names(in: directory) }
}
