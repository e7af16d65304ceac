// SPDX-License-Identifier: Apache-2.0
import Control
import Datapath
import Policy

extension CheckReport {
    package func json(isStrict: Bool) -> JSON {
        [
            "valid": .bool(isValid(isStrict: isStrict)), "diagnostics": .array(diagnostics.map(\.json)),
            "ports": .array(ports.map(\.json)),
        ]
    }

    /// What is said of a valid policy.
    ///
    /// - Parameter policy: Its file.
    package func words(_ policy: String) -> Words {
        let taken = ports.compactMap(\.taken).map { $0 + "\n" }.joined()
        let counts = "\(counted(rules ?? 0, "rule")), \(counted(ports.count, "port"))"
        return taken + "\(policy): valid, \(counts)\n"
    }

    /// What is said of one that is not, at the end, where it is looked for.
    ///
    /// - Parameter policy: Its file.
    package func refusal(_ policy: String) -> Words {
        let kinds = [(Diagnostic.Severity.error, "error"), (.warning, "warning")]
        let found = kinds.compactMap { severity, noun in
            let count = diagnostics.count { $0.severity == severity }
            return count == 0 ? nil : counted(count, noun)
        }
        return "\(policy): not valid, \(found.joined(separator: ", "))"
    }
}

extension CheckedPort {
    /// Which side the port was taken to protect, and why; nil if the policy says, or the device is yet to come.
    package var taken: Words? {
        guard binding.protectsIsDefault, hasIdentity || binding.interface != nil else { return nil }
        let why = hasIdentity ? "an identity is bound to it" : "its device is \(device)"
        return "\(binding.port.name): taken for protects: \(binding.port.protects.rawValue), as \(why)"
    }

    private var device: String {
        guard binding.port.protects == .workload else { return "no tap or veth on a bridge" }
        return "a \(binding.interface?.kind.rawValue ?? "device") on a bridge"
    }

    package var json: JSON {
        [
            "name": .string(binding.port.name), "interface": .string(binding.port.interface),
            "netns": JSON(binding.port.namespace),
            "protects": .string(binding.port.protects.rawValue), "protectsIsDefault": .bool(binding.protectsIsDefault),
            "missing": .bool(binding.interface == nil), "guards": JSON(guards.words),
        ]
    }
}

extension Diagnostic {
    package var json: JSON {
        var fields = JSON.Fields()
        fields.append("severity", .string(severity.rawValue))
        fields.append("file", .string(location.file))
        fields.append("line", JSON(location.line))
        fields.append("column", JSON(location.column))
        fields.append("message", .string(message))
        if let rule { fields.append("rule", .string(rule)) }
        if let finding {
            fields.append("code", .string(finding.code.rawValue))
            fields.append("by", JSON(finding.by))
            if let example = finding.example { fields.append("example", example.json) }
        }
        return .object(fields)
    }
}

extension PacketExample {
    /// A port is null where the packet is meant on its whole way. What else is out of the ordinary is there only if it
    /// is.
    package var json: JSON {
        var fields = JSON.Fields()
        fields.append("from", .string(from))
        fields.append("to", .string(to))
        fields.append("service", .string(service))
        fields.append("port", JSON(port))
        fields.append("direction", JSON(direction))
        if let sourcePort { fields.append("sourcePort", JSON(sourcePort)) }
        if let vlan { fields.append("vlan", JSON(vlan)) }
        return .object(fields)
    }
}
