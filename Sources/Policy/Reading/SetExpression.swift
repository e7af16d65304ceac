// SPDX-License-Identifier: Apache-2.0
import Network

/// A set of addresses as a policy writes it, with names looked up: the union of some terms minus the union of others.
struct SetExpression: Hashable, Sendable {
    enum Term: Hashable, Sendable {
        case any
        /// The addresses that the kernel of the port's network namespace currently takes for its own.
        case host
        case multicast
        case broadcast
        case prefix(Prefix)
        case range(AddressRange)
        /// A named group, by the index of its definition.
        case group(Int)
        /// The members of a dynamic group, by the group's index.
        case members(Int)
        /// The addresses of a port entry, by the entry's index.
        case port(Int)
        /// The addresses of workloads.
        case workloads(WorkloadSelector)
        /// The addresses in a file, by path.
        case feed(String)
        indirect case inPlace(SetExpression)
    }

    var union: [Term] = []
    /// What is in each of these, besides; none where it is empty.
    var all: [Term] = []
    var except: [Term] = []

    static let reserved: [String: Term] = [
        "any": .any, "host": .host, "multicast": .multicast, "broadcast": .broadcast,
    ]

    /// Whether the expression contains `any` without exceptions.
    var isAny: Bool { except.isEmpty && union.contains(.any) }

    /// The groups that the expression refers to, nested expressions included.
    var groups: [Int] {
        (union + all + except).flatMap { term -> [Int] in
            switch term {
            case .group(let index): [index]
            case .inPlace(let expression): expression.groups
            default: []
            }
        }
    }
}
