// SPDX-License-Identifier: Apache-2.0
import Compiler
import Datapath
import Policy

/// A policy that was read, resolved against this host, and compiled: what can be put in force.
package struct PreparedPolicy: Sendable {
    package let source: PolicySource
    package let ruleset: Ruleset
    package let image: Image
    /// How long the compiler took; of a revised policy, reading as well.
    package let compileTime: Duration
    /// What is to be said of its assertions, if they were proved.
    package let findings: [Diagnostic]
    /// Whether it was taken over from the policy in force.
    package var isRevised = false

    /// Reads a policy from its file and compiles it, or takes over what is in force of it, see ``RevisedPolicy``.
    static func read(_ path: String, for instance: Instance) throws -> PreparedPolicy {
        let files = RecordingFiles(DiskFiles(), limit: HistoryBounds.standard.bytes)
        if let revised = revised(path, files, instance) { return revised }
        return try PreparedPolicy(
            PolicySource(recording: files, path, for: instance, requiresDevices: true), proves: true)
    }

    /// Takes over the policy in force, for the devices that there are now; nil if it must be read and compiled.
    ///
    /// - Parameter kept: The policy in force.
    static func again(_ kept: KeptPolicy, for instance: Instance) -> PreparedPolicy? {
        guard let path = kept.files.first?.path else { return nil }
        let files = RecordingFiles(MemoryFiles(kept: kept.files), limit: HistoryBounds.standard.bytes)
        return revised(path, files, instance, awaitsDevices: true)
    }

    private static func revised(
        _ path: String, _ files: RecordingFiles, _ instance: Instance, awaitsDevices: Bool = false
    ) -> PreparedPolicy? {
        let clock = ContinuousClock()
        let start = clock.now
        return RevisedPolicy(path, files, instance, awaitsDevices: awaitsDevices).map {
            PreparedPolicy($0, took: clock.now - start)
        }
    }

    private init(_ revised: RevisedPolicy, took time: Duration) {
        (source, ruleset, image) = (revised.source, revised.ruleset, revised.image)
        compileTime = time
        // One that has assertions is read and proved as a whole.
        findings = []
        isRevised = true
    }

    /// Compiles a policy.
    ///
    /// - Parameter proves: Whether its assertions must hold, as they must for a policy to be put in force.
    /// - Throws: ``Refusal`` if the policy has errors, or is beyond what an image can hold, or an assertion fails.
    package init(_ source: PolicySource, proves: Bool = false) throws(Refusal) {
        self.source = source
        ruleset = try source.required()
        let clock = ContinuousClock()
        let start = clock.now
        do throws(CompileError) {
            image = try Compiler().compile(ruleset)
        } catch {
            throw Refusal(
                "\(Diagnostic(error, ruleset))",
                advice: "the policy is beyond what this version can hold: make it smaller there",
                diagnostics: source.loaded.diagnostics)
        }
        compileTime = clock.now - start
        findings = proves ? PolicyAnalysis(source, ruleset).assertions : []
        let failed = findings.count { $0.severity == .error }
        guard failed == 0 else {
            throw Refusal(
                failed == 1 ? "an assertion does not hold" : "\(failed) assertions do not hold",
                advice: "change the rule that is named above, or the assertion; nothing was changed",
                diagnostics: source.loaded.diagnostics + findings)
        }
    }

    /// Puts it in force.
    ///
    /// - Parameters:
    ///   - generation: That which must be in force until then; 0: none may be; nil: whichever is.
    ///   - seconds: How long it is on trial; nil: it stays in force.
    package func apply(
        to instance: Instance, _ note: ApplyNote, onto generation: UInt32? = nil, trial seconds: Int? = nil
    ) throws(DatapathError) -> ApplyReport {
        try instance.apply(
            image: image, bindings: source.loaded.bindings, origin: PolicyOrigin(note: note, files: source.files),
            onto: generation, trial: seconds.map { UInt64($0) * 1_000_000_000 })
    }

    /// What putting it in force would do.
    package func rehearse(on instance: Instance) -> ApplyReport {
        instance.rehearse(image: image, bindings: source.loaded.bindings)
    }
}

extension Diagnostic {
    /// Why a valid policy cannot be compiled.
    package init(_ error: CompileError, _ ruleset: Ruleset) {
        let start = SourceLocation(file: ruleset.files.first?.name ?? "", line: 1, column: 1)
        self.init(.error, at: error.location ?? start, error.message, rule: error.rule)
    }
}
