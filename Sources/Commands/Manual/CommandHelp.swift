// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import FoundationEssentials

/// The help of a command, as `--experimental-dump-help` writes it.
struct CommandHelp: Decodable, Sendable {
    var commandName: String
    var superCommands: [String]?
    var shouldDisplay: Bool
    var abstract: String?
    var discussion: String?
    var arguments: [Argument]?
    var subcommands: [CommandHelp]?

    struct Argument: Decodable, Sendable {
        enum Kind: String, Decodable { case positional, option, flag }

        struct Name: Decodable, Sendable {
            var kind: String
            var name: String

            /// As it is typed.
            var written: String { kind == "long" ? "--\(name)" : "-\(name)" }
        }

        var kind: Kind
        var shouldDisplay: Bool
        var isOptional: Bool
        var isRepeating: Bool
        var names: [Name]?
        var preferredName: Name?
        var valueName: String?
        var defaultValue: String?
        var allValues: [String]?
        var abstract: String?
    }

    private struct Dump: Decodable { var command: CommandHelp }

    /// The help of a command, such as `bulkhead`, and of all commands below it.
    static func read(of root: any ParsableCommand.Type) throws -> CommandHelp {
        try JSONDecoder().decode(Dump.self, from: Data(root._dumpHelp().utf8)).command
    }

    /// The words that name it after `bulkhead`: empty for the whole, `group add` for a subcommand of a command.
    var name: String { ((superCommands ?? []) + [commandName]).dropFirst().joined(separator: " ") }

    /// The commands below it that a user is told of.
    var visible: [CommandHelp] {
        (subcommands ?? []).filter { $0.shouldDisplay && $0.commandName != "help" }
    }

    /// It and all commands below it, in the order of the help.
    var all: [CommandHelp] { [self] + visible.flatMap(\.all) }

    /// The arguments that a user is told of. Those that every command takes are told of once, for the whole.
    var shown: [Argument] {
        (arguments ?? []).filter {
            $0.shouldDisplay && (name.isEmpty || !["help", "version"].contains($0.preferredName?.name))
        }
    }

    private static let heading = "Example:\n"

    /// The discussion without its examples.
    var description: String {
        let parts = (discussion ?? "").split(separator: Self.heading, maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return discussion ?? "" }
        let after = parts[1].split(separator: "\n\n").dropFirst()
        return ([String(parts[0])] + after.map(String.init)).joined(separator: "\n\n")
            .split(separator: "\n\n").joined(separator: "\n\n").trimmingSuffix { $0 == "\n" }
    }

    /// The lines of the examples, ready to be typed.
    var examples: [String] {
        let parts = (discussion ?? "").split(separator: Self.heading, maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return [] }
        return parts[1].split(separator: "\n", omittingEmptySubsequences: false).prefix { $0.hasPrefix("  ") }
            .map { String($0.dropFirst(2)) }
    }
}

extension String {
    fileprivate func trimmingSuffix(while drops: (Character) -> Bool) -> String {
        String(self[..<(lastIndex { !drops($0) }.map { index(after: $0) } ?? startIndex)])
    }
}
