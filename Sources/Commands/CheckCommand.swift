import ArgumentParser
import Compiler
import Datapath
import Policy

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Parse, resolve and compile a policy; report every problem.",
        discussion: """
            Needs no privilege and changes nothing. Says which side each port protects where the policy leaves it to the device. \
            `accept` admits replies and related ICMP errors too, unless a rule is `stateless`.

            Example:
              bulkhead check policy.yaml
              bulkhead check --strict --json policy.yaml
            """)

    @Argument(help: "The policy's file.", completion: .file(extensions: ["yaml", "yml"]))
    var policy = standardPolicyPath
    @Flag(help: "Warnings fail too.")
    var strict = false
    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let source = try PolicySource(path: policy, requiresDevices: false)
        let loaded = source.loaded
        var diagnostics = loaded.diagnostics
        diagnostics += source.quarantineWarnings(try Instance(instance.name)).map {
            Diagnostic(.warning, at: SourceLocation(file: policy, line: 1, column: 1), $0)
        }
        if let ruleset = loaded.ruleset {
            do throws(CompileError) {
                _ = try Compiler().compile(ruleset)
            } catch {
                diagnostics.append(PolicySource.diagnostic(error, ruleset))
            }
        }
        let ports = loaded.ruleset.map { ruleset in loaded.bindings.map { CheckedPort($0, ruleset) } } ?? []
        let isValid = !diagnostics.contains { $0.severity == .error || strict }
        if output.isJSON {
            try StandardOutput.line(Self.json(isValid, diagnostics, ports))
        } else {
            PolicySource.say(diagnostics)
            if isValid, let ruleset = loaded.ruleset { try StandardOutput.write(words(ruleset, ports)) }
        }
        if !isValid { throw ExitCode.failure }
    }

    static func json(_ isValid: Bool, _ diagnostics: [Diagnostic], _ ports: [CheckedPort]) -> JSON {
        [
            "valid": .bool(isValid), "diagnostics": .array(diagnostics.map(\.json)),
            "ports": .array(ports.map(\.json)),
        ]
    }

    private func words(_ ruleset: Ruleset, _ ports: [CheckedPort]) -> Words {
        let taken = ports.compactMap(\.taken).map { $0 + "\n" }.joined()
        let counts = "\(counted(ruleset.rules.count, "rule")), \(counted(ports.count, "port"))"
        return taken + "\(policy): valid, \(counts)\n"
    }
}

/// What `check` says of a port.
struct CheckedPort: Sendable {
    private let binding: PortBinding
    private let hasIdentity: Bool
    private let guards: Set<Guard>

    init(_ binding: PortBinding, _ ruleset: Ruleset) {
        self.binding = binding
        let entry = ruleset.entries[binding.entry]
        hasIdentity = entry.hasIdentity
        guards = entry.guards(binding.protects)
    }

    /// Which side it was taken to protect, and why, where the policy does not say; nil for a device that is yet to come.
    fileprivate var taken: Words? {
        guard binding.protectsIsDefault, hasIdentity || binding.interface != nil else { return nil }
        let why = hasIdentity ? "an identity is bound to it" : "its device is \(device)"
        return "\(binding.name): taken for protects: \(binding.protects.rawValue), as \(why)"
    }

    private var device: String {
        guard binding.protects == .workload else { return "no tap or veth on a bridge" }
        return "a \(binding.interface?.kind.rawValue ?? "device") on a bridge"
    }

    fileprivate var json: JSON {
        [
            "name": .string(binding.name), "interface": .string(binding.interfaceName),
            "netns": JSON(binding.namespace),
            "protects": .string(binding.protects.rawValue), "protectsIsDefault": .bool(binding.protectsIsDefault),
            "missing": .bool(binding.interface == nil), "guards": JSON(guards.words),
        ]
    }
}

extension Diagnostic {
    var json: JSON {
        var fields = JSON.Fields()
        fields.append("severity", .string(severity.rawValue))
        fields.append("file", .string(location.file))
        fields.append("line", JSON(location.line))
        fields.append("column", JSON(location.column))
        fields.append("message", .string(message))
        if let rule { fields.append("rule", .string(rule)) }
        return .object(fields)
    }
}
