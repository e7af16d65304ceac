// SPDX-License-Identifier: Apache-2.0
import Control

/// Commands that later versions bring. Each is refused by name, so that nobody takes a typing mistake for the cause.
enum LaterCommand {
    static let names = ["top"]

    /// - Throws: ``Refusal`` where `arguments` ask for one of them.
    static func refuse(_ arguments: [String]) throws(Refusal) {
        let words = arguments.drop { $0 == "help" }
        guard let name = words.first, names.contains(name) else { return }
        throw Refusal(
            "bulkhead \(name) is not supported yet", advice: "see bulkhead --help for the commands of this version")
    }
}
