// SPDX-License-Identifier: Apache-2.0
import Network

/// What an end of a rule asks for. However many rules ask for the same in the same words, it is looked up once.
struct AskedSet {
    /// Equal where the expressions are.
    var number: Int
    /// nil is any address.
    var terms: [(set: AddressSet?, membership: Membership)]
    /// It has more terms than are kept.
    var isTooLarge: Bool
    /// Its addresses are not what was meant, because of an error that is reported.
    var isFaulty: Bool

    /// What a rule asks for that does not say.
    static let any = AskedSet(DynamicSet(.all), number: -1, isFaulty: false)

    init(_ set: DynamicSet, number: Int, isFaulty: Bool) {
        self.number = number
        terms = set.terms.map { (set: $0.set == .all ? nil : $0.set, membership: $0.membership) }
        isTooLarge = set.isTooLarge
        self.isFaulty = isFaulty
    }
}
