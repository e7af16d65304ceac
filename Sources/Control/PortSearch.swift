// SPDX-License-Identifier: Apache-2.0
import Policy

extension [Port] {
    /// Indices of the ports that `word` means: by name first, then by entry, by device, and by other names of devices.
    /// Empty: none.
    package func called(_ word: String) -> [Int] {
        for key in [\.name, \.entry, \.interface] as [KeyPath<Port, String>] {
            let found = indices.filter { self[$0][keyPath: key] == word }
            if !found.isEmpty { return found }
        }
        return indices.filter { self[$0].isOtherName(word) }
    }

    /// The same; throws if `word` means no port, with the names that there are.
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
    /// Whether `word` is `entry/device` with any present name of the device, or one of its alternative names alone.
    fileprivate func isOtherName(_ word: String) -> Bool {
        alternativeNames.contains(word) || ([interface] + alternativeNames).contains { word == "\(entry)/\($0)" }
    }
}
