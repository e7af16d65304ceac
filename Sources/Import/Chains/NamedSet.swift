// SPDX-License-Identifier: Apache-2.0
import Network

/// A named set of addresses that rules refer to.
struct NamedSet: Sendable {
    var name: String
    /// Those that are surely in it.
    var members: AddressSet
    /// Those that may be in it.
    var possible: AddressSet
    /// Why the two differ, or why it is not a set of addresses.
    var unsaid: String?

    init(name: String, members: AddressSet, possible: AddressSet? = nil, unsaid: String? = nil) {
        self.name = name
        self.members = members
        self.possible = possible ?? members
        self.unsaid = unsaid
    }
}
