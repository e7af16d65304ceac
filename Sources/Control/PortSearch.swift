// SPDX-License-Identifier: Apache-2.0
import Policy

extension [Port] {
    /// Indices of the ports that `word` means, by name first, then by entry, then by device. Empty: none.
    package func called(_ word: String) -> [Int] {
        for key in [\.name, \.entry, \.interface] as [KeyPath<Port, String>] {
            let found = indices.filter { self[$0][keyPath: key] == word }
            if !found.isEmpty { return found }
        }
        return indices.filter { self[$0].isOtherName(word) }
    }

    /// The same; a word that means no port is refused with the names that there are.
    package func required(_ word: String) throws(Refusal) -> [Int] {
        let found = called(word)
        guard found.isEmpty else { return found }
        let names = map(\.name).sorted()
        let some = names.prefix(20).joined(separator: ", ") + (names.count > 20 ? ", ..." : "")
        throw Refusal(
            "there is no port '\(word)'",
            advice: names.isEmpty
                ? "the policy has no ports" : "the ports are \(some); an entry's or device's name will do too")
    }
}

extension Port {
    /// `entry/device` with the device's present name, or one of its further names; or such a name alone.
    fileprivate func isOtherName(_ word: String) -> Bool {
        alternativeNames.contains(word) || ([interface] + alternativeNames).contains { word == "\(entry)/\($0)" }
    }
}
