import Compiler
import Datapath
import Policy

/// Where a command's policy comes from, and how its problems are told.
enum PolicySource {
    /// Reads a policy from its file, for this host's devices.
    static func load(path: String, requiresDevices: Bool) throws(DatapathError) -> LoadedPolicy {
        try load(PolicyLoader(), path, requiresDevices: requiresDevices)
    }

    /// Reads again the policy that an instance holds, for the devices that this host has now.
    static func load(inForce policy: PolicyInForce) throws(DatapathError) -> LoadedPolicy {
        let files = Dictionary(policy.files.map { ($0.name, $0.text) }) { first, _ in first }
        return try load(PolicyLoader(files: MemoryFiles(files)), policy.files[0].name, requiresDevices: false)
    }

    private static func load(
        _ loader: PolicyLoader, _ path: String, requiresDevices: Bool
    ) throws(DatapathError) -> LoadedPolicy {
        var failure: DatapathError?
        let loaded = loader.load(path, requiresDevices: requiresDevices) { namespaces in
            do throws(DatapathError) {
                return try HostInventory.read(namespaces: namespaces)
            } catch {
                failure = error
                return .empty
            }
        }
        if let failure { throw failure }
        return loaded
    }

    /// The ruleset of a policy that must be valid; its warnings are told.
    static func required(_ loaded: LoadedPolicy, path: String) throws(Refusal) -> Ruleset {
        say(loaded.diagnostics)
        guard let ruleset = loaded.ruleset else {
            let errors = loaded.diagnostics.count { $0.severity == .error }
            throw Refusal(
                "\(path) has \(errors == 1 ? "an error" : "\(errors) errors")", advice: "correct what is named above")
        }
        return ruleset
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

    static func say(notEnforced: [String]) {
        for line in notEnforced { StandardError.line("note: \(line)") }
    }
}
