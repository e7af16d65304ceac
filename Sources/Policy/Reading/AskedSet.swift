// SPDX-License-Identifier: Apache-2.0
import Network

/// The addresses that one end of a rule asks for. Computed once however many rules write the same words.
struct AskedSet {
    /// The same number for equal expressions.
    var number: Int
    /// The alternatives; a nil set is any address.
    var terms: [(set: AddressSet?, membership: Membership)]
    /// Whether there are more terms than are kept.
    var isTooLarge: Bool
    /// Whether the addresses are wrong because of an error that was already reported.
    var isFaulty: Bool

    /// The end of a rule that has no `from` or `to`: any address.
    static let any = AskedSet(DynamicSet(.all), number: -1, isFaulty: false)

    init(_ set: DynamicSet, number: Int, isFaulty: Bool) {
        self.number = number
        terms = set.terms.map { (set: $0.set == .all ? nil : $0.set, membership: $0.membership) }
        isTooLarge = set.isTooLarge
        self.isFaulty = isFaulty
    }
}
