// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Policy

/// What can be said of a policy without loading it.
package struct CheckReport: Sendable {
    /// Every problem, by place.
    package let diagnostics: [Diagnostic]
    /// The ports that it binds on this host; empty if it has errors.
    package let ports: [CheckedPort]
    /// The number of rules; nil if it has errors.
    package let rules: Int?

    /// Parses, resolves and compiles a policy's file.
    ///
    /// - Parameters:
    ///   - instance: The instance whose quarantine is compared with the policy.
    ///   - isLive: Whether its counters are, too.
    package init(path: String, instance: Instance, isLive: Bool = false) throws(DatapathError) {
        let source = try PolicySource(path: path, for: instance, requiresDevices: false)
        let loaded = source.loaded
        var diagnostics = loaded.diagnostics
        diagnostics += source.quarantineWarnings(instance).map {
            Diagnostic(.warning, at: SourceLocation(file: path, line: 1, column: 1), $0)
        }
        if let ruleset = loaded.ruleset {
            do throws(CompileError) {
                _ = try Compiler().compile(ruleset)
                let analysis = PolicyAnalysis(source, ruleset)
                diagnostics += analysis.assertions + analysis.lint(diagnostics)
            } catch {
                diagnostics.append(Diagnostic(error, ruleset))
            }
            if isLive { diagnostics += try IdleRules(ruleset, instance).diagnostics }
        }
        self.diagnostics = diagnostics.filesAsSpokenOf
        ports = loaded.ruleset.map { ruleset in loaded.bindings.map { CheckedPort($0, ruleset) } } ?? []
        rules = loaded.ruleset?.rules.count
    }

    package init(diagnostics: [Diagnostic], ports: [CheckedPort], rules: Int?) {
        self.diagnostics = diagnostics
        self.ports = ports
        self.rules = rules
    }

    /// - Parameter isStrict: Whether warnings count as errors.
    package func isValid(isStrict: Bool) -> Bool {
        !diagnostics.contains { $0.severity == .error || isStrict && $0.severity == .warning }
    }
}

extension [Diagnostic] {
    /// By place, the files in the order in which they are spoken of first.
    fileprivate var filesAsSpokenOf: [Diagnostic] {
        var files: [String: Int] = [:]
        for diagnostic in self where files[diagnostic.location.file] == nil {
            files[diagnostic.location.file] = files.count
        }
        return byPlace { files[$0] ?? 0 }
    }
}

/// A port of a policy that is checked.
package struct CheckedPort: Sendable {
    package let binding: PortBinding
    package let hasIdentity: Bool
    package let guards: Set<Guard>

    package init(_ binding: PortBinding, _ ruleset: Ruleset) {
        self.binding = binding
        let entry = ruleset.entries[binding.entry]
        hasIdentity = entry.hasIdentity
        guards = entry.guards(binding.port.protects)
    }
}
