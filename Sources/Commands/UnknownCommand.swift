// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Policy

/// What is not a command. The parser would take it for an argument of `bulkhead` itself.
enum UnknownCommand {
    /// - Throws: `ValidationError` where the first word of `arguments` is not one of these commands or an option.
    static func refuse(_ arguments: [String], commands: [String]) throws {
        guard let word = arguments.first, !word.hasPrefix("-"), word != "help", !commands.contains(word) else { return }
        if word == "version" { throw ValidationError("there is no command 'version'; write bulkhead --version") }
        let nearest = NearestName.of(word, among: commands)
        throw ValidationError("there is no command '\(word)'" + (nearest.map { "; did you mean '\($0)'?" } ?? ""))
    }
}
