import ArgumentParser
import Compiler
import Datapath
import Policy

struct ApplyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract: "Load a policy into the kernel and put it in force.",
        discussion: """
            The change is one atomic step: each packet is judged by the whole old policy or the whole new one. It is in force when \
            the command returns and needs no process from then on. What fails leaves the policy in force as it was.
            `accept` admits replies and related ICMP errors too, unless a rule is `stateless`.

            Example:
              bulkhead apply policy.yaml
              bulkhead apply --dry-run policy.yaml
            """)

    @Argument(help: "The policy's file.", completion: .file(extensions: ["yaml", "yml"]))
    var policy = standardPolicyPath
    @Flag(help: "Do everything but load it.")
    var dryRun = false
    @Option(help: ArgumentHelp("Not supported yet.", valueName: "duration", visibility: .hidden))
    var trial: String?
    @Flag(help: ArgumentHelp("Not supported yet.", visibility: .hidden))
    var force = false
    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        if trial != nil {
            throw Refusal(
                "apply --trial is not supported yet",
                advice: "to be safe from locking yourself out, arm a way back first, such as: "
                    + "systemd-run --on-active=2m bulkhead detach --all")
        }
        if force {
            throw Refusal(
                "apply --force is not supported yet",
                advice: "there is nothing to override in this version: leave it out")
        }
        let source = try PolicySource(path: policy, requiresDevices: true)
        let ruleset = try source.required()
        let clock = ContinuousClock()
        var image: Image?
        let compiling = try clock.measure { image = try PolicySource.compile(ruleset) }
        guard let image else { return }
        let instance = try Instance(instance.name)
        for warning in source.quarantineWarnings(instance) { StandardError.line("warning: \(warning)") }
        let result: ApplyResult
        if dryRun {
            result = rehearse(instance, image, ruleset, source.loaded.bindings)
        } else {
            let report = try instance.apply(image: image, bindings: source.loaded.bindings, ruleset: ruleset)
            for warning in report.warnings { StandardError.line("warning: \(warning)") }
            result = ApplyResult(report)
        }
        if output.isJSON {
            try StandardOutput.line(result.json(compiling: compiling))
        } else {
            try StandardOutput.write(result.words(compiling: compiling, isRehearsal: dryRun))
        }
    }

    /// What an apply would do, as far as it can be told without loading anything. Needs no privilege; with it, compares with what is
    /// in force.
    private func rehearse(
        _ instance: Instance, _ image: Image, _ ruleset: Ruleset, _ bindings: [PortBinding]
    ) -> ApplyResult {
        let status = try? instance.status()
        let present = status?.ports ?? []
        func mode(_ binding: PortBinding) -> EnforcementMode? {
            present.first { $0.interfaceIndex == binding.interface?.index && $0.namespace == binding.namespace }?.mode
        }
        let hash = image.sha256.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let isSame =
            status?.sha256 == hash && Set(present.map(\.name)) == Set(bindings.map(\.name))
            && present.allSatisfy(\.problems.isEmpty)
            && bindings.allSatisfy { $0.interface == nil || mode($0) != nil }
        return ApplyResult(
            generation: status?.generation ?? 0, changed: !isSame, rules: ruleset.rules.count,
            ports: bindings.map { binding in
                ApplyResult.Port(
                    name: binding.name, interface: binding.interfaceName, namespace: binding.namespace,
                    mode: mode(binding),
                    isMissing: binding.interface == nil)
            },
            loadMilliseconds: 0, memoryBytes: image.bytes.count)
    }
}

/// What an apply did, or would do.
struct ApplyResult: Sendable {
    struct Port: Sendable {
        var name: String
        var interface: String
        var namespace: String?
        /// nil where the device is missing, or not enforced yet.
        var mode: EnforcementMode?
        var isMissing: Bool
    }

    /// The generation in force; 0 where there is none.
    var generation: UInt32
    var changed: Bool
    var rules: Int
    var ports: [Port]
    var loadMilliseconds: Double
    var memoryBytes: Int
}

extension ApplyResult {
    init(_ report: ApplyReport) {
        self.init(
            generation: report.generation, changed: report.changed, rules: report.rules,
            ports: report.ports.map { port in
                Port(
                    name: port.name, interface: port.interface, namespace: port.namespace, mode: port.mode,
                    isMissing: port.mode == nil)
            },
            loadMilliseconds: report.loadMilliseconds, memoryBytes: report.memoryBytes)
    }

    func json(compiling: Duration) -> JSON {
        [
            "generation": JSON(generation), "changed": .bool(changed), "rules": JSON(rules),
            "ports": .array(
                ports.map { port in
                    [
                        "name": .string(port.name), "interface": .string(port.interface), "netns": JSON(port.namespace),
                        "mode": JSON(port.mode?.rawValue),
                    ]
                }),
            "compileMs": .decimal(compiling / .milliseconds(1)), "loadMs": .decimal(loadMilliseconds),
            "memoryBytes": JSON(memoryBytes), "trialUntil": nil,
        ]
    }

    func words(compiling: Duration, isRehearsal: Bool) -> Words {
        var table = Table([.init("PORT"), .init("DEVICE"), .init("MODE")])
        for port in ports {
            table.append([
                port.name, deviceName(port.interface, port.namespace),
                port.mode?.rawValue ?? (port.isMissing ? "missing" : "-"),
            ])
        }
        var text = ports.isEmpty ? "" : table.text + "\n"
        let times: Words =
            "compiled in \(JSON.decimal(compiling / .milliseconds(1))) ms, "
            + "loaded in \(JSON.decimal(loadMilliseconds)) ms"
        switch (isRehearsal, changed) {
        case (true, true): text += "would change the policy: \(counted(rules, "rule")); nothing was loaded\n"
        case (true, false): text += "would change nothing: generation \(generation) is this policy\n"
        case (false, true): text += "generation \(generation) is in force: \(counted(rules, "rule")); \(times)\n"
        case (false, false): text += "generation \(generation) is in force already; nothing was changed\n"
        }
        return text
    }
}
