// SPDX-License-Identifier: Apache-2.0

/// Checks that each guard listed by name has something to compare with.
enum GuardCheck {
    static func run(_ ports: [PortDefinition], _ bindings: [PortBinding], _ problems: Problems) {
        let sides = Dictionary(grouping: bindings, by: \.entry).mapValues { Set($0.map(\.port.protects)) }
        let hasGuests = ports.contains {
            $0.entry.protects != .host && !($0.entry.addresses.isEmpty && $0.entry.workloads.isEmpty)
        }
        for (index, port) in ports.enumerated() {
            let taken: Protects = port.entry.protects ?? (port.entry.hasIdentity ? .workload : .host)
            let sides = sides[index] ?? [taken]
            for (guardian, location) in port.guards {
                for side in Protects.allCases where sides.contains(side) {
                    // What is bound to a workload, the inventory says.
                    if !port.entry.workloads.isEmpty {
                        warn(of: guardian, port.entry, location, problems)
                    } else if !port.entry.isPossible(guardian, side) {
                        problems.error(location, missing(guardian, side))
                    } else if side == .host, !hasGuests {
                        problems.warning(
                            location, "guard \"ip\" has no effect: no address is bound to a workload")
                    }
                }
            }
        }
    }

    private static func warn(
        of guardian: Guard, _ entry: PortEntry, _ location: SourceLocation, _ problems: Problems
    ) {
        for guest in entry.guests where guest.refusal == nil {
            var bound = entry
            bound.bind(guest)
            guard !bound.isPossible(guardian, .workload) else { continue }
            problems.warning(
                location,
                "guard \"\(guardian.rawValue)\" is not held at \(guest.device) of workload "
                    + "\"\(guest.workload)\": the inventory does not know its \(datum(guardian))")
        }
    }

    private static func missing(_ guardian: Guard, _ side: Protects) -> String {
        if side == .host {
            return "guard \"\(guardian.rawValue)\" is for workloads; a port that protects the host can have only \"ip\""
        }
        return "guard \"\(guardian.rawValue)\" needs the port's \(datum(guardian))"
    }

    private static func datum(_ guardian: Guard) -> String {
        switch guardian {
        case .mac, .promiscuous: "\"mac\""
        case .ip, .destination: "\"addresses\""
        default: "\"mac\" or \"addresses\""
        }
    }
}
