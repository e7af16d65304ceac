import ArgumentParser
import Compiler
import Policy

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Parse, resolve and compile a policy; report every problem.",
        discussion: """
            Needs no privilege and changes nothing. Says which side each port protects where the policy leaves it to the device. \
            In this version `accept` is stateless: replies need a rule of their own.

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
        let loaded = try PolicySource.load(path: policy, requiresDevices: false)
        var diagnostics = loaded.diagnostics
        if let ruleset = loaded.ruleset {
            do throws(CompileError) {
                _ = try Compiler().compile(ruleset)
            } catch {
                diagnostics.append(PolicySource.diagnostic(error, ruleset))
            }
        }
        let isValid = !diagnostics.contains { $0.severity == .error || strict }
        if output.isJSON {
            try StandardOutput.line(Self.json(isValid, diagnostics, notEnforced: loaded.ruleset?.notEnforced ?? []))
        } else {
            PolicySource.say(diagnostics)
            PolicySource.say(notEnforced: loaded.ruleset?.notEnforced ?? [])
            if isValid, let ruleset = loaded.ruleset { try StandardOutput.write(words(ruleset, loaded.bindings)) }
        }
        if !isValid { throw ExitCode.failure }
    }

    static func json(_ isValid: Bool, _ diagnostics: [Diagnostic], notEnforced: [String]) -> JSON {
        [
            "valid": .bool(isValid), "diagnostics": .array(diagnostics.map(\.json)), "notEnforced": JSON(notEnforced),
        ]
    }

    private func words(_ ruleset: Ruleset, _ bindings: [PortBinding]) -> String {
        var text = ""
        for binding in bindings where binding.protectsIsDefault {
            text += "\(binding.name): protects \(binding.protects.rawValue) (by its device; `protects:` would say so)\n"
        }
        return text + "\(policy): valid, \(ruleset.rules.count) rules, \(bindings.count) ports\n"
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
