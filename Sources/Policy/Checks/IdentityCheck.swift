// SPDX-License-Identifier: Apache-2.0
import Network

/// Checks that no two ports are bound to the same address.
enum IdentityCheck {
    private struct Claim {
        var range: ClosedRange<UInt128>
        var prefix: Prefix
        var port: Int
        var location: SourceLocation
    }

    static func run(_ ports: [PortDefinition], _ problems: Problems) {
        checkMACs(ports, problems)
        for family in AddressFamily.allCases { checkAddresses(ports, family, problems) }
        if !problems.hasErrors { warnOfEmptyMembers(ports, problems) }
    }

    private static func warnOfEmptyMembers(_ ports: [PortDefinition], _ problems: Problems) {
        for port in ports where port.entry.workloads.isEmpty && port.entry.addresses.allSatisfy(\.isLinkLocal) {
            guard let group = port.groups.first else { continue }
            problems.warning(
                group.location, "port \"\(port.entry.name)\" is a member of groups but has no address to put into them")
        }
    }

    private static func checkMACs(_ ports: [PortDefinition], _ problems: Problems) {
        var first: [MACAddress: (port: Int, location: SourceLocation)] = [:]
        for (index, port) in ports.enumerated() {
            for (mac, location) in zip(port.entry.macs, port.macLocations) {
                if let earlier = first[mac], earlier.port != index {
                    problems.error(
                        location,
                        "\(mac) is also bound to port \"\(ports[earlier.port].entry.name)\", at \(earlier.location); "
                            + "use \"shared\" for what several ports may claim")
                } else {
                    first[mac] = (index, location)
                }
            }
        }
    }

    /// In the order of their first addresses, a block overlaps an earlier one if it starts before the furthest end so
    /// far.
    private static func checkAddresses(_ ports: [PortDefinition], _ family: AddressFamily, _ problems: Problems) {
        let claims = claims(ports, family).sorted {
            ($0.range.lowerBound, $1.range.upperBound) < ($1.range.lowerBound, $0.range.upperBound)
        }
        var furthest: [Claim] = []
        for claim in claims {
            // The two furthest blocks, of different ports, are enough to find an overlap with another port.
            if let other = furthest.first(where: {
                $0.port != claim.port && $0.range.upperBound >= claim.range.lowerBound
            }) {
                let (early, late) = other.location < claim.location ? (other, claim) : (claim, other)
                problems.error(
                    late.location,
                    "\(late.prefix) overlaps \(early.prefix) of port \"\(ports[early.port].entry.name)\", "
                        + "at \(early.location); use \"shared\" for what several ports may claim")
            }
            if let same = furthest.firstIndex(where: { $0.port == claim.port }) {
                if furthest[same].range.upperBound < claim.range.upperBound { furthest[same] = claim }
            } else {
                furthest.append(claim)
            }
            furthest.sort { $0.range.upperBound > $1.range.upperBound }
            if furthest.count > 2 { furthest.removeLast() }
        }
    }

    private static func claims(_ ports: [PortDefinition], _ family: AddressFamily) -> [Claim] {
        ports.enumerated().flatMap { index, port in
            zip(port.entry.addresses, port.addressLocations).compactMap { prefix, location in
                guard prefix.family == family, !prefix.isLinkLocal else { return nil }
                return Claim(range: prefix.first...prefix.last, prefix: prefix, port: index, location: location)
            }
        }
    }
}
