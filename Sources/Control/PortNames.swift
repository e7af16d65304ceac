// SPDX-License-Identifier: Apache-2.0

/// What a port may be called on the command line: its name, its entry's, its device's.
package struct PortNames: Sendable, Hashable {
    package var name: String
    package var entry: String
    package var interface: String
    /// Further names of the device.
    package var alternatives: [String] = []

    /// Indices of the ports that `word` means, by name first, then by entry, then by device. Empty: none.
    package static func find(_ word: String, in ports: [PortNames]) -> [Int] {
        for key in [\.name, \.entry, \.interface] as [KeyPath<PortNames, String>] {
            let found = ports.indices.filter { ports[$0][keyPath: key] == word }
            if !found.isEmpty { return found }
        }
        return ports.indices.filter { ports[$0].isOtherName(word) }
    }

    /// `entry/device` with the device's present name, or one of its further names; or such a name alone.
    private func isOtherName(_ word: String) -> Bool {
        alternatives.contains(word) || ([interface] + alternatives).contains { word == "\(entry)/\($0)" }
    }

    /// Likewise, but none is refused with the names that there are.
    package static func required(_ word: String, in ports: [PortNames]) throws(Refusal) -> [Int] {
        let found = find(word, in: ports)
        guard found.isEmpty else { return found }
        let names = ports.map(\.name).sorted()
        let some = names.prefix(20).joined(separator: ", ") + (names.count > 20 ? ", ..." : "")
        throw Refusal(
            "there is no port '\(word)'",
            advice: names.isEmpty
                ? "the policy has no ports" : "the ports are \(some); an entry's or device's name will do too")
    }
}
