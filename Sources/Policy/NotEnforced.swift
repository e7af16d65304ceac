/// What a policy asks for by default that this version does not do yet, in words.
enum NotEnforced {
    static func lines(_ ports: [PortDefinition], _ bindings: [PortBinding]) -> [String] {
        var lines: [String] = []
        let workloads = Set(bindings.filter { $0.protects == .workload }.map(\.entry))
        let guarded = ports.indices.filter { workloads.contains($0) && !ports[$0].hasGuardOff }.map {
            ports[$0].entry.name
        }
        if !guarded.isEmpty {
            let more = guarded.count > 8 ? " and \(guarded.count - 8) more" : ""
            let names = guarded.prefix(8).joined(separator: ", ") + more
            lines.append("guard: strict (\(guarded.count == 1 ? "port" : "ports") \(names)) is not enforced yet")
        }
        return lines
    }
}
