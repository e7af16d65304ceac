// SPDX-License-Identifier: Apache-2.0
import Compiler
import Policy

extension Instance {
    /// What an apply would do, as far as that can be told without loading anything. Needs no privilege; with privilege,
    /// compares with what is in force.
    public func rehearse(image: Image, bindings: [PortBinding]) -> ApplyReport {
        let status = try? status()
        let present = status?.ports ?? []
        func mode(_ binding: PortBinding) -> EnforcementMode? {
            present.first {
                $0.interfaceIndex == binding.interface?.index && $0.port.namespace == binding.port.namespace
            }?.mode
        }
        let isSame =
            status?.imageHash == image.sha256
            && Set(present.map(\.port.name)) == Set(bindings.map(\.port.name))
            && present.allSatisfy(\.problems.isEmpty)
            && bindings.allSatisfy { $0.interface == nil || mode($0) != nil }
        return ApplyReport(
            generation: status?.generation ?? 0, changed: !isSame, rules: image.statistics.rules,
            ports: bindings.map { binding in
                ApplyReport.PortReport(port: binding.port, mode: mode(binding), isMissing: binding.interface == nil)
            }, memoryBytes: image.bytes.count,
            warnings: status.flatMap { status in
                status.trial.map { _ in
                    ["apply would be refused: generation \(status.generation) is on trial, until it is settled"]
                }
            } ?? [])
    }
}
