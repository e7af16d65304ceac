// SPDX-License-Identifier: Apache-2.0
import Network

/// A set of addresses as a policy writes it, its names looked up: the union of some terms less others.
struct SetExpression: Hashable, Sendable {
    enum Term: Hashable, Sendable {
        case any
        /// The addresses that the kernel of the port's namespace takes for its own at the moment.
        case host
        case multicast
        case broadcast
        case prefix(Prefix)
        case range(AddressRange)
        /// By index of its definition.
        case group(Int)
        /// The members of a dynamic group, by index.
        case members(Int)
        /// A port entry's addresses, by index.
        case port(Int)
        /// A file's, by path.
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

    /// Whether it is every address, as it is written.
    var isAny: Bool { except.isEmpty && union.contains(.any) }

    /// The groups it refers to.
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
